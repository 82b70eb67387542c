import { sql, Statement } from "../../postgres/mod.ts";
import { ifUsed, type Part } from "./used.ts";

/** What catalogQuery tells of schemas, extensions, types, functions, sequences and views. */
export function typeObjects(): Part[] {
  return [
    ifUsed("pg_namespace")`
  select 'schema' as kind, quote_ident(nspname) as name, null as of, 'pg_namespace:' || spaces.oid as id,
    'create schema ' || quote_ident(nspname) as ddl
  from spaces
  where nspname <> 'public'
    and not exists (select from members where classid = 'pg_namespace'::regclass and objid = spaces.oid)`,
    ifUsed("pg_namespace")`
  select 'schema', 'public is gone', null, '', 'drop schema public'
  where not exists (select from pg_namespace where nspname = 'public')`,
    ifUsed("pg_extension")`
  select 'extension', quote_ident(extname), null, 'pg_extension:' || e.oid,
    'create extension ' || quote_ident(extname) || ' schema ' || quote_ident(n.nspname)
    || coalesce(' version ' || quote_literal(nullif(extversion,
      (select default_version from pg_available_extensions a where a.name = extname))), '')
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace
  where extname <> 'plpgsql'`,
    ifUsed("pg_collation")`
  select 'collation', c.oid::regcollation::text, null, 'pg_collation:' || c.oid,
    'create collation ' || c.oid::regcollation || ' (provider = '
      || case c.collprovider when 'i' then 'icu' when 'c' then 'libc' else 'builtin' end
      || case when c.collprovider = 'c' and c.collcollate <> c.collctype
        then ', lc_collate = ' || quote_literal(c.collcollate) || ', lc_ctype = ' || quote_literal(c.collctype)
        else ', locale = ' || quote_literal(coalesce(
          to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', c.collcollate)) end
      || coalesce(', rules = ' || quote_literal(to_jsonb(c) ->> 'collicurules'), '')
      || case when not c.collisdeterministic then ', deterministic = false' else '' end || ')'
  from pg_collation c join spaces on spaces.oid = c.collnamespace`,
    ifUsed("pg_type")`
  select 'type', name, null, id, 'create type ' || name || ' as enum ('
    || (select coalesce(string_agg(quote_literal(enumlabel), ', ' order by enumsortorder), '')
      from pg_enum where enumtypid = types.oid) || ')'
  from types where typtype = 'e'`,
    ifUsed("pg_type")`
  select 'type', name, null, types.id, 'create type ' || name || ' as ('
    || (select coalesce(string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod)
        || case when attcollation <> typcollation
          then ' collate ' || attcollation::regcollation else '' end,
        ', ' order by attnum), '') from columns where attrelid = typrelid) || ')'
  from types where typtype = 'c' and exists (
    select from pg_class where pg_class.oid = typrelid and relkind = 'c')`,
    ifUsed("pg_type")`
  -- A shell: it has a name before it has functions.
  select 'type', name, null, id, 'create type ' || name from types where not typisdefined`,
    ifUsed("pg_range")`
  select 'type', name, null, id, 'create type ' || name || ' as range (subtype = '
    || format_type(rngsubtype, null) || concat_ws(', ', '',
      case when opcdefault then null else 'subtype_opclass = ' || split_part(
        (pg_identify_object('pg_opclass'::regclass, rngsubopc, 0)).identity, ' USING ', 1) end,
      case when rngcollation <> (select b.typcollation from pg_type b where b.oid = rngsubtype)
        then 'collation = ' || rngcollation::regcollation end,
      'canonical = ' || nullif(rngcanonical::oid, 0)::regproc, 'subtype_diff = ' || nullif(rngsubdiff::oid, 0)::regproc,
      -- The name that PostgreSQL chooses by itself goes without saying.
      case when m.typname <> case when types.typname like '%range%' then regexp_replace(types.typname, 'range', 'multirange')
        else types.typname || '_multirange' end then 'multirange_type_name = ' || format_type(rngmultitypid, null) end)
    || ')'
  from types join pg_range on rngtypid = types.oid join pg_opclass o on o.oid = rngsubopc
  join pg_type m on m.oid = rngmultitypid where types.typtype = 'r'`,
    ifUsed("pg_type")`
  select 'domain', name, null, types.id, concat_ws(' ', 'create domain ' || name || ' as '
    || format_type(typbasetype, typtypmod),
    case when typcollation <> (select b.typcollation from pg_type b where b.oid = types.typbasetype)
      then 'collate ' || typcollation::regcollation end,
    'default ' || pg_get_expr(typdefaultbin, 0), case when typnotnull then 'not null' end,
    (select string_agg('constraint ' || quote_ident(conname) || ' '
        || pg_get_constraintdef(oid, true), ' ' order by conname collate "C")
      from pg_constraint where contypid = types.oid and contype::text = 'c' and convalidated))
  from types where typtype = 'd'`,
    ifUsed("pg_constraint")`
  select 'constraint', name || '.' || quote_ident(conname), name, types.id,
    'alter domain ' || name || ' add constraint ' || quote_ident(conname) || ' '
      || pg_get_constraintdef(c.oid, true)
  from pg_constraint c join types on types.oid = contypid
  where c.contype::text = 'c' and not convalidated`,
    ifUsed("pg_sequence")`
  select 'sequence', name, null, id,
    'create sequence ' || name || coalesce(' ' || nullif(options, ''), '')
  from sequence_options where deptype is distinct from 'i'`,
    ifUsed("pg_proc")`
  select case prokind when 'p' then 'procedure' else 'function' end, name, null, id,
    pg_get_functiondef(oid)
  from functions where prokind <> 'a'`,
    ifUsed("pg_aggregate")`
  select 'aggregate', name, null, id, 'create aggregate ' || ${aggregateName} || ' (' || concat_ws(', ', 'sfunc = ' || aggtransfn,
      'stype = ' || format_type(aggtranstype, null), 'sspace = ' || nullif(aggtransspace, 0),
      'finalfunc = ' || nullif(aggfinalfn::oid, 0)::regproc, case when aggfinalextra then 'finalfunc_extra' end,
      case when aggfinalfn <> 0 and aggfinalmodify <> case aggkind when 'n' then 'r' else 'w' end::"char"
        then 'finalfunc_modify = ' || ${modify("aggfinalmodify")} end,
      'combinefunc = ' || nullif(aggcombinefn::oid, 0)::regproc, 'serialfunc = ' || nullif(aggserialfn::oid, 0)::regproc,
      'deserialfunc = ' || nullif(aggdeserialfn::oid, 0)::regproc, 'initcond = ' || quote_literal(agginitval),
      'msfunc = ' || nullif(aggmtransfn::oid, 0)::regproc, 'minvfunc = ' || nullif(aggminvtransfn::oid, 0)::regproc,
      'mstype = ' || format_type(nullif(aggmtranstype, 0), null), 'msspace = ' || nullif(aggmtransspace, 0),
      'mfinalfunc = ' || nullif(aggmfinalfn::oid, 0)::regproc, case when aggmfinalextra then 'mfinalfunc_extra' end,
      case when aggmfinalfn <> 0 and aggmfinalmodify <> case aggkind when 'n' then 'r' else 'w' end::"char"
        then 'mfinalfunc_modify = ' || ${modify("aggmfinalmodify")} end,
      'minitcond = ' || quote_literal(aggminitval),
      'sortop = ' || (select 'operator(' || quote_ident(s.nspname) || '.' || oprname || ')' from pg_operator o
        join pg_namespace s on s.oid = oprnamespace where o.oid = aggsortop),
      case proparallel when 's' then 'parallel = safe' when 'r' then 'parallel = restricted' end,
      case when aggkind = 'h' then 'hypothetical' end) || ')'
  from functions join pg_aggregate on aggfnoid = oid`,
    ifUsed("pg_rewrite")`
  select case relkind when 'v' then 'view' else 'materialized view' end, name, null, id,
    'create ' || case relkind when 'v' then 'view ' else 'materialized view ' end || name
    || coalesce(' using ' || (select nullif(quote_ident(amname), 'heap') from pg_am a where a.oid = relam), '')
    || coalesce(' with (' || stated_options || ')', '') || E' as\n'
    || trim(trailing ';' from pg_get_viewdef(oid, true))
  from relations where relkind in ('v', 'm')`,
    ifUsed("pg_publication")`
  select 'publication', quote_ident(pubname), null, 'pg_publication:' || p.oid,
    'create publication ' || quote_ident(pubname) || case when puballtables then ' for all tables' else coalesce(' for '
      || nullif(concat_ws(', ', (select 'table ' || string_agg(${only} || prrelid::regclass || coalesce(' (' || (
          select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
          where attrelid = prrelid and attnum = any(prattrs)) || ')', '') || coalesce(' where (' || pg_get_expr(prqual, prrelid) || ')', ''),
        ', ' order by prrelid::regclass::text collate "C") from pg_publication_rel where prpubid = p.oid),
      (select 'tables in schema ' || string_agg(pnnspid::regnamespace::text, ', ' order by pnnspid::regnamespace::text collate "C")
        from pg_publication_namespace where pnpubid = p.oid)), ''), '') end
      || ' with (publish = ''' || concat_ws(', ', case when pubinsert then 'insert' end,
        case when pubupdate then 'update' end, case when pubdelete then 'delete' end,
        case when pubtruncate then 'truncate' end) || ''''
      || case when pubviaroot then ', publish_via_partition_root = true' else '' end
      || case when to_jsonb(p) ->> 'pubgencols' = 's'
        and 'publish_generated_columns' not in (select name from ignored) then ', publish_generated_columns = stored' else '' end || ')'
  from pg_publication p`,
    ifUsed("pg_event_trigger")`
  select 'event trigger', quote_ident(evtname), null, 'pg_event_trigger:' || e.oid,
    'create event trigger ' || quote_ident(evtname) || ' on ' || evtevent
      || coalesce(' when tag in (' || (select string_agg(quote_literal(tag), ', ') from unnest(evttags) tag)
        || ')', '') || ' execute function ' || evtfoid::regprocedure
  from pg_event_trigger e
  where not exists (select from members where classid = 'pg_event_trigger'::regclass and objid = e.oid)`,
    ifUsed("pg_cast")`
  select 'cast', castsource::regtype || ' as ' || casttarget::regtype, null, 'pg_cast:' || c.oid,
    'create cast (' || castsource::regtype || ' as ' || casttarget::regtype || ') '
    || case castmethod when 'f' then 'with function ' || castfunc::regprocedure
      when 'i' then 'with inout' else 'without function' end
    || case castcontext when 'a' then ' as assignment' when 'i' then ' as implicit' else '' end
  from pg_cast c where c.oid >= 16384
    and not exists (select from members where classid = 'pg_cast'::regclass and objid = c.oid)`,
    ifUsed("pg_ts_config")`
  select 'text search', c.oid::regconfig::text, null, 'pg_ts_config:' || c.oid,
    'create text search configuration ' || c.oid::regconfig || ' (parser = '
    || (select prsnamespace::regnamespace || '.' || quote_ident(prsname) from pg_ts_parser where pg_ts_parser.oid = cfgparser) || ')'
    || coalesce((select string_agg(format(E';\nalter text search configuration %s add mapping for %s with %s',
        c.oid::regconfig, alias, dictionaries), '' order by alias)
      from (select mapcfg, maptokentype, string_agg(mapdict::regdictionary::text, ', ' order by mapseqno)
          as dictionaries from pg_ts_config_map group by mapcfg, maptokentype) m
      join ts_token_type(c.cfgparser) on tokid = maptokentype where mapcfg = c.oid), '')
  from pg_ts_config c join spaces on spaces.oid = cfgnamespace`,
  ];
}

/** A table's children are a publication's only by name. */
const only = sql`case when exists (select from pg_inherits h join pg_class c on c.oid = inhparent
  where inhparent = prrelid and c.relkind = 'r') then 'only ' else '' end`;

/** An aggregate with its arguments as `create aggregate` takes them. */
const aggregateName =
  sql`(select quote_ident(pg_namespace.nspname) || '.' || quote_ident(proname) || '('
    || case when aggkind <> 'n' or pronargs > 0 then pg_get_function_arguments(functions.oid) else '*' end || ')'
  from pg_namespace where pg_namespace.oid = pronamespace)`;

function modify(column: string): Statement {
  return sql`case ${new Statement([column], [])} when 'r' then 'read_only'
    when 's' then 'shareable' else 'read_write' end`;
}

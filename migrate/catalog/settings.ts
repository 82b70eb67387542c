import { sql, type Statement } from "../../postgres/mod.ts";
import { ifUsed, type Part, union, type Used } from "./used.ts";

/**
 * What catalogQuery tells of things that are set and not made: owners, options, states. `undo` is
 * the statement that sets it back.
 */
export function settingObjects(): Part[] {
  return [
    ifUsed("pg_namespace")`
  select 'owner' as kind, o.identity || o.what || ' owner' as name, o.of, o.id,
    'alter ' || o.type || ' ' || w.identity || ' owner to ' || quote_ident(pg_get_userbyid(o.owner)) as ddl,
    'alter ' || o.type || ' ' || w.identity || ' owner to current_user' as undo
  from owned o
  -- An aggregate of nothing is written as one of everything.
  cross join lateral (select case o.type when 'aggregate' then replace(o.identity, '()', '(*)')
    else replace(o.identity, ' USING ', ' using ') end as identity) w
  where o.owner <> (select oid from home)`,
    ifUsed("pg_rewrite")`
  select 'setting', v.name || '.' || quote_ident(attname) || ' default', v.name, v.id,
    'alter view ' || v.name || ' alter column ' || quote_ident(attname) || ' set default ' || pg_get_expr(adbin, adrelid),
    'alter view ' || v.name || ' alter column ' || quote_ident(attname) || ' drop default'
  from pg_attrdef join pg_attribute on attrelid = adrelid and attnum = adnum
  join relations v on v.oid = adrelid and v.relkind = 'v'`,
    ifUsed("pg_inherits")`
  -- What a child says otherwise of a column that its parents have.
  select 'setting', c.name || ' own default', c.table_name, c.table_id,
    'alter table only ' || c.table_name || ' alter column ' || quote_ident(attname) || ' '
      || coalesce('set default ' || c.value, 'drop default'),
    'alter table only ' || c.table_name || ' alter column ' || quote_ident(attname) || ' '
      || coalesce('set default ' || p.value, 'drop default')
  from inherited c, unnest(c.values) p (value) where c.value is distinct from p.value`,
    ifUsed("pg_inherits")`
  select 'setting', c.name || ' own not null', c.table_name, c.table_id,
    'alter table only ' || c.table_name || ' alter column ' || quote_ident(attname) || ' set not null',
    'alter table only ' || c.table_name || ' alter column ' || quote_ident(attname) || ' drop not null'
  from inherited c where attnotnull and not strict`,
    ifUsed("pg_index")`
  select 'setting', c.name || ' clustered', t.name, c.id, 'alter table ' || t.name || ' cluster on ' || quote_ident(c.relname),
    'alter table ' || t.name || ' set without cluster'
  from pg_index join relations c on c.oid = indexrelid join relations t on t.oid = indrelid where indisclustered`,
    ifUsed("pg_class")`
  select 'setting', t.name || ' toast options', t.name, t.id, 'alter table ' || t.name || ' set ('
    || string_agg('toast.' || o, ', ' order by o) || ')',
    'alter table ' || t.name || ' reset (' || string_agg('toast.' || split_part(o, '=', 1), ', ' order by o) || ')'
  from relations t join pg_class s on s.oid = t.reltoastrelid cross join unnest(s.reloptions) o
  where o !~ '^pg_' and split_part(o, '=', 1) not in (select name from ignored) and t.relkind in ('r', 'm')
  group by t.name, t.id`,
    ifUsed("pg_class")`
  select 'setting', t.name || ' of type', t.name, t.id, 'alter table ' || t.name || ' of ' || format_type(t.reloftype, null),
    'alter table ' || t.name || ' not of'
  from tables t where t.reloftype <> 0`,
    ifUsed("pg_sequence")`
  select 'setting', s.name || ' persistence', null, s.id, 'alter sequence ' || s.name || ' set unlogged',
    'alter sequence ' || s.name || ' set logged'
  from relations s where relkind = 'S' and relpersistence = 'u' and not exists (
    select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = s.oid and d.deptype = 'i' and d.refobjsubid > 0)`,
    ifUsed("pg_statistic_ext")`
  select 'setting', s.stxnamespace::regnamespace || '.' || quote_ident(stxname) || ' target', t.name,
    'pg_statistic_ext:' || s.oid, 'alter statistics ' || s.stxnamespace::regnamespace || '.' || quote_ident(stxname)
    || ' set statistics ' || stxstattarget, 'alter statistics ' || s.stxnamespace::regnamespace || '.'
    || quote_ident(stxname) || ' set statistics -1'
  from pg_statistic_ext s join tables t on t.oid = stxrelid where stxstattarget >= 0`,
    ifUsed("pg_index")`
  select 'setting', i.name || '.' || quote_ident(attname) || ' statistics', t.name, i.id,
    'alter index ' || i.name || ' alter column ' || attnum || ' set statistics ' || attstattarget,
    'alter index ' || i.name || ' alter column ' || attnum || ' set statistics -1'
  from relations i join pg_attribute a on attrelid = i.oid join pg_index x on x.indexrelid = i.oid
  join tables t on t.oid = x.indrelid
  where i.relkind in ('i', 'I') and attstattarget >= 0`,
    ifUsed("pg_constraint")`
  -- The definition of a key does not tell them.
  select 'setting', i.name || ' options', t.name, i.id, 'alter index ' || i.name || ' set (' || i.stated_options || ')',
    'alter index ' || i.name || ' reset (' || regexp_replace(i.stated_options, '=[^,]*', '', 'g') || ')'
  from relations i join pg_constraint k on conindid = i.oid and contype::text in ('p', 'u')
  join tables t on t.oid = conrelid where i.stated_options is not null`,
    ifUsed("pg_inherits")`
  select 'setting', i.name || ' attached', t.name, i.id, 'alter index ' || h.inhparent::regclass || ' attach partition ' || i.name, null
  from relations i join pg_inherits h on h.inhrelid = i.oid join pg_index x on x.indexrelid = i.oid
  join tables t on t.oid = x.indrelid where i.relkind in ('i', 'I')`,
    ifUsed("pg_rewrite")`
  select 'setting', t.name || '.' || quote_ident(rulename) || ' state', t.name, 'pg_rewrite:' || r.oid,
    'alter table ' || t.name || case ev_enabled when 'D' then ' disable' when 'R' then ' enable replica' else ' enable always' end
    || ' rule ' || quote_ident(rulename), 'alter table ' || t.name || ' enable rule ' || quote_ident(rulename)
  from pg_rewrite r join relations t on t.oid = ev_class where rulename <> '_RETURN' and ev_enabled <> 'O'`,
    ifUsed("pg_trigger")`
  select 'setting', t.name || '.' || quote_ident(g.tgname) || ' state', t.name, 'pg_trigger:' || g.oid,
    'alter table ' || t.name || case g.tgenabled when 'D' then ' disable' when 'R' then ' enable replica'
      when 'A' then ' enable always' else ' enable' end || ' trigger ' || quote_ident(g.tgname),
    'alter table ' || t.name || case p.tgenabled when 'D' then ' disable' when 'R' then ' enable replica'
      when 'A' then ' enable always' else ' enable' end || ' trigger ' || quote_ident(g.tgname)
  from pg_trigger g join relations t on t.oid = g.tgrelid join pg_trigger p on p.oid = g.tgparentid
  where not g.tgisinternal and g.tgenabled <> p.tgenabled`,
    ifUsed("pg_event_trigger")`
  select 'setting', quote_ident(evtname) || ' state', null, 'pg_event_trigger:' || oid, 'alter event trigger ' || quote_ident(evtname)
    || case evtenabled when 'D' then ' disable' when 'R' then ' enable replica' else ' enable always' end,
    'alter event trigger ' || quote_ident(evtname) || ' enable'
  from pg_event_trigger where evtenabled <> 'O'`,
    ifUsed("pg_foreign_table")`
  select 'setting', t.name || ' foreign options', t.name, t.id, 'alter foreign table ' || t.name || ' options ('
    || string_agg('add ' || quote_ident(split_part(o, '=', 1)) || ' ' || quote_literal(substr(o, strpos(o, '=') + 1)), ', ') || ')',
    'alter foreign table ' || t.name || ' options (' || string_agg('drop ' || quote_ident(split_part(o, '=', 1)), ', ') || ')'
  from tables t join pg_foreign_table on ftrelid = t.oid cross join unnest(ftoptions) o group by t.name, t.id`,
    ifUsed("pg_foreign_table")`
  select 'setting', c.name || ' foreign options', c.table_name, c.table_id, 'alter foreign table ' || c.table_name
    || ' alter column ' || quote_ident(attname) || ' options (' || string_agg('add ' || quote_ident(split_part(o, '=', 1)) || ' '
      || quote_literal(substr(o, strpos(o, '=') + 1)), ', ') || ')',
    'alter foreign table ' || c.table_name || ' alter column ' || quote_ident(attname) || ' options ('
    || string_agg('drop ' || quote_ident(split_part(o, '=', 1)), ', ') || ')'
  from columns c cross join unnest(attfdwoptions) o group by c.name, c.table_name, c.table_id, attname`,
    ifUsed("pg_proc")`
  select 'setting', f.name || ' extension ' || extname, f.name, f.id, 'alter ' || case prokind when 'p' then 'procedure ' else 'function ' end
    || f.name || ' depends on extension ' || quote_ident(extname), 'alter ' || case prokind when 'p' then 'procedure ' else 'function ' end
    || f.name || ' no depends on extension ' || quote_ident(extname)
  from functions f join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = f.oid and d.deptype = 'x'
  join pg_extension e on e.oid = d.refobjid`,
    ifUsed("pg_class")`
  select 'setting', r.name || ' extension ' || extname, coalesce(t.name, r.name), r.id,
    'alter ' || r.type || r.name || ' depends on extension ' || quote_ident(extname),
    'alter ' || r.type || r.name || ' no depends on extension ' || quote_ident(extname)
  from (select name, id, oid, case relkind when 'm' then 'materialized view ' else 'index ' end as type from relations
    where relkind in ('m', 'i', 'I')) r
  join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = r.oid and d.deptype = 'x'
  join pg_extension e on e.oid = d.refobjid left join pg_index x on x.indexrelid = r.oid left join relations t on t.oid = x.indrelid`,
    ifUsed("pg_trigger")`
  select 'setting', t.name || '.' || quote_ident(tgname) || ' extension ' || extname, t.name, 'pg_trigger:' || g.oid,
    'alter trigger ' || quote_ident(tgname) || ' on ' || t.name || ' depends on extension ' || quote_ident(extname),
    'alter trigger ' || quote_ident(tgname) || ' on ' || t.name || ' no depends on extension ' || quote_ident(extname)
  from pg_trigger g join relations t on t.oid = tgrelid
  join pg_depend d on d.classid = 'pg_trigger'::regclass and d.objid = g.oid and d.deptype = 'x'
  join pg_extension e on e.oid = d.refobjid`,
    ifUsed("pg_constraint")`
  -- Of a column that is not null already PostgreSQL takes no second word.
  select 'setting', t.name || '.' || quote_ident(a.attname) || ' not null', t.name, t.id, 'alter table ' || t.name
    || ' alter column ' || quote_ident(a.attname) || ' drop not null, add constraint ' || quote_ident(conname) || ' '
    || pg_get_constraintdef(k.oid), 'alter table ' || t.name || case when coninhcount > 0
      then ' validate constraint ' || quote_ident(conname) else ' alter column ' || quote_ident(a.attname)
    || ' drop not null, alter column ' || quote_ident(a.attname) || ' set not null' end
  from pg_constraint k join tables t on t.oid = conrelid join pg_attribute a on a.attrelid = conrelid and a.attnum = conkey[1]
  where contype::text = 'n' and (connoinherit or not convalidated) and not t.relispartition`,
  ];
}

/** The CTE of columns that come from parents alone, with what these say of them. */
export function inheritedColumns(): Statement {
  return sql`
inherited as (
  select c.*, (select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = c.attrelid and adnum = c.attnum) as value,
    p.values[1:1] as values, p.strict
  from columns c cross join lateral (
    select array_agg(pg_get_expr(adbin, adrelid) order by inhseqno) as values, bool_or(a.attnotnull) as strict
    from pg_inherits join pg_attribute a on a.attrelid = inhparent and a.attname = c.attname
    left join pg_attrdef on adrelid = a.attrelid and adnum = a.attnum where inhrelid = c.attrelid) p
  where not c.attislocal and c.attgenerated = '' and c.relkind in ('r', 'f')
    and not (select relispartition from pg_class where pg_class.oid = c.attrelid)
)
`;
}

/** The CTE of everything that has an owner, but for what follows its table's. */
export function ownedRelations(used: Used): Statement {
  const others = union(owners, used);
  return sql`
owned as (
  select case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
      when 'f' then 'foreign table' else 'table' end as type, '' as what, name as identity, name as of, id, relowner as owner
  from relations where relkind in ('r', 'p', 'f', 'v', 'm') or relkind = 'S' and not exists (
    select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = relations.oid and d.refobjsubid > 0)
  union all
  select case prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end, '', name, name, id, proowner from functions
  union all
  select case typtype when 'd' then 'domain' else 'type' end, '', name, name, types.id, typowner from types
  where typtype in ('d', 'e', 'r') or typtype = 'b' and not exists (select from pg_type e where e.typarray = types.oid)
    or typtype = 'c' and exists (select from pg_class c where c.oid = typrelid and c.relkind = 'c')
  union all
  select 'schema', ' schema', quote_ident(n.nspname), null, 'pg_namespace:' || n.oid, nspowner
  from pg_namespace n join spaces on spaces.oid = n.oid where n.nspname <> 'public'
  ${
    others
      ? sql`union all
  select regexp_replace(replace(i.type, 'foreign-data', 'foreign data'), '^statistics object$', 'statistics'),
    -- Kinds that may share a name.
    ' ' || i.type, i.identity, null, '', o.owner
  from (${others}
  ) o cross join lateral pg_identify_object(o.classid, o.oid, 0) i
  where o.oid >= 16384 and not exists (select from members m where m.classid = o.classid and m.objid = o.oid)`
      : sql``
  }
)
`;
}

const owners: Part[] = [
  ifUsed("pg_operator")`
    select 'pg_operator'::regclass as classid, oid, oprowner as owner from pg_operator where oprcode <> 0`,
  ifUsed("pg_opclass")`
    select 'pg_opclass'::regclass as classid, oid, opcowner as owner from pg_opclass`,
  ifUsed("pg_opfamily")`
    select 'pg_opfamily'::regclass as classid, oid, opfowner as owner from pg_opfamily`,
  ifUsed("pg_collation")`
    select 'pg_collation'::regclass as classid, oid, collowner as owner from pg_collation`,
  ifUsed("pg_conversion")`
    select 'pg_conversion'::regclass as classid, oid, conowner as owner from pg_conversion`,
  ifUsed("pg_language")`
    select 'pg_language'::regclass as classid, oid, lanowner as owner from pg_language`,
  ifUsed("pg_foreign_data_wrapper")`
    select 'pg_foreign_data_wrapper'::regclass as classid, oid, fdwowner as owner from pg_foreign_data_wrapper`,
  ifUsed("pg_foreign_server")`
    select 'pg_foreign_server'::regclass as classid, oid, srvowner as owner from pg_foreign_server`,
  ifUsed("pg_publication")`
    select 'pg_publication'::regclass as classid, oid, pubowner as owner from pg_publication`,
  ifUsed("pg_event_trigger")`
    select 'pg_event_trigger'::regclass as classid, oid, evtowner as owner from pg_event_trigger`,
  ifUsed("pg_statistic_ext")`
    select 'pg_statistic_ext'::regclass as classid, oid, stxowner as owner from pg_statistic_ext`,
  ifUsed("pg_ts_config")`
    select 'pg_ts_config'::regclass as classid, oid, cfgowner as owner from pg_ts_config`,
  ifUsed("pg_ts_dict")`
    select 'pg_ts_dict'::regclass as classid, oid, dictowner as owner from pg_ts_dict`,
];

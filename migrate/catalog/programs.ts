import { sql, Statement } from "../../postgres/mod.ts";
import { ifUsed, type Part } from "./used.ts";

/**
 * What catalogQuery tells of operators, casts, text search, languages, foreign servers and their
 * kin. `undo` is the statement that takes it away.
 */
export function programObjects(): Part[] {
  return [
    ifUsed("pg_am")`
  select 'access method' as kind, quote_ident(amname) as name, null as of, 'pg_am:' || a.oid as id,
    'create access method ' || quote_ident(amname) || ' type ' || case amtype when 't' then 'table' else 'index' end
    || ' handler ' || amhandler::regproc as ddl, 'drop access method ' || quote_ident(amname) as undo
  from pg_am a where a.oid >= 16384 and ${own("pg_am", "a")}`,
    ifUsed("pg_language")`
  select 'language', quote_ident(lanname), null, 'pg_language:' || l.oid,
    concat_ws(' ', 'create', case when lanpltrusted then 'trusted' end, 'language', quote_ident(lanname),
      'handler ' || lanplcallfoid::regproc, 'inline ' || nullif(laninline, 0)::regproc,
      'validator ' || nullif(lanvalidator, 0)::regproc), 'drop language ' || quote_ident(lanname)
  from pg_language l where l.oid >= 16384 and ${own("pg_language", "l")}`,
    ifUsed("pg_foreign_data_wrapper")`
  select 'foreign data wrapper', quote_ident(fdwname), null, 'pg_foreign_data_wrapper:' || w.oid,
    concat_ws(' ', 'create foreign data wrapper', quote_ident(fdwname), 'handler ' || nullif(fdwhandler, 0)::regproc,
      'validator ' || nullif(fdwvalidator, 0)::regproc, ${listed(sql`fdwoptions`)}),
    'drop foreign data wrapper ' || quote_ident(fdwname)
  from pg_foreign_data_wrapper w where ${own("pg_foreign_data_wrapper", "w")}`,
    ifUsed("pg_foreign_server")`
  select 'server', quote_ident(srvname), null, 'pg_foreign_server:' || s.oid,
    concat_ws(' ', 'create server', quote_ident(srvname), 'type ' || quote_literal(srvtype),
      'version ' || quote_literal(srvversion), 'foreign data wrapper', quote_ident(fdwname), ${
      listed(sql`srvoptions`)
    }),
    'drop server ' || quote_ident(srvname)
  from pg_foreign_server s join pg_foreign_data_wrapper w on w.oid = srvfdw where ${
      own("pg_foreign_server", "s")
    }`,
    ifUsed("pg_foreign_server")`
  -- An option that is called as secrets are is never written.
  select 'user mapping', replace(u.role, 'current_user', '(owner)') || ' on server ' || quote_ident(srvname), null, 'pg_user_mapping:' || umid,
    concat_ws(' ', 'create user mapping for', u.role, 'server', quote_ident(srvname),
      case when not exists (select from unnest(umoptions) o where o ~* '^[^=]*(pass|secret|token|key)')
        then ${listed(sql`umoptions`)} end),
    'drop user mapping for ' || u.role || ' server ' || quote_ident(srvname)
  from pg_user_mappings m
  cross join lateral (select case when umuser = 0 then 'public' when umuser = (select oid from home)
    then 'current_user' else quote_ident(usename) end as role) u`,
    ifUsed("pg_operator")`
  select 'operator', o.oid::regoperator::text, null, 'pg_operator:' || o.oid,
    'create operator ' || quote_ident(n.nspname) || '.' || oprname || ' (' || concat_ws(', ', 'function = ' || oprcode,
      'leftarg = ' || format_type(nullif(oprleft, 0), null), 'rightarg = ' || format_type(nullif(oprright, 0), null),
      'commutator = ' || ${operator("oprcom")}, 'negator = ' || ${operator("oprnegate")},
      'restrict = ' || nullif(oprrest::oid, 0)::regproc, 'join = ' || nullif(oprjoin::oid, 0)::regproc,
      case when oprcanhash then 'hashes' end, case when oprcanmerge then 'merges' end) || ')',
    'drop operator ' || o.oid::regoperator
  from pg_operator o join pg_namespace n on n.oid = oprnamespace
  where o.oid >= 16384 and oprcode <> 0 and ${own("pg_operator", "o")}`,
    ifUsed("pg_opfamily")`
  select 'operator family', i.identity, null, 'pg_opfamily:' || f.oid,
    'create operator family ' || ${using("i.identity")}
    || coalesce(';' || E'\nalter operator family ' || ${using("i.identity")} || ' add ' || ${
      members("pg_opfamily", "f.oid")
    }, ''),
    'drop operator family ' || ${using("i.identity")}
  from pg_opfamily f cross join lateral pg_identify_object('pg_opfamily'::regclass, f.oid, 0) i
  where f.oid >= 16384 and ${own("pg_opfamily", "f")}`,
    ifUsed("pg_opclass")`
  select 'operator class', i.identity, null, 'pg_opclass:' || c.oid,
    'create operator class ' || replace(i.identity, ' USING ', case when opcdefault then ' default' else '' end
      || ' for type ' || format_type(opcintype, null) || ' using ')
    || ' family ' || split_part((pg_identify_object('pg_opfamily'::regclass, opcfamily, 0)).identity, ' USING ', 1)
    || ' as ' || concat_ws(', ', ${
      members("pg_opclass", "c.oid")
    }, 'storage ' || format_type(coalesce(nullif(opckeytype, 0),
      case when ${members("pg_opclass", "c.oid")} is null then opcintype end), null)),
    'drop operator class ' || ${using("i.identity")}
  from pg_opclass c cross join lateral pg_identify_object('pg_opclass'::regclass, c.oid, 0) i
  where c.oid >= 16384 and ${own("pg_opclass", "c")}`,
    ifUsed("pg_conversion")`
  select 'conversion', i.identity, null, 'pg_conversion:' || c.oid,
    concat_ws(' ', 'create', case when condefault then 'default' end, 'conversion', i.identity, 'for',
      quote_literal(pg_encoding_to_char(conforencoding)), 'to', quote_literal(pg_encoding_to_char(contoencoding)),
      'from', conproc::regproc), 'drop conversion ' || i.identity
  from pg_conversion c cross join lateral pg_identify_object('pg_conversion'::regclass, c.oid, 0) i
  where c.oid >= 16384 and ${own("pg_conversion", "c")}`,
    ifUsed("pg_transform")`
  select 'transform', i.identity, null, 'pg_transform:' || t.oid,
    'create transform for ' || format_type(trftype, null) || ' language ' || quote_ident(lanname) || ' ('
    || concat_ws(', ', 'from sql with function ' || nullif(trffromsql::oid, 0)::regprocedure,
      'to sql with function ' || nullif(trftosql::oid, 0)::regprocedure) || ')',
    'drop transform for ' || format_type(trftype, null) || ' language ' || quote_ident(lanname)
  from pg_transform t join pg_language l on l.oid = trflang
  cross join lateral pg_identify_object('pg_transform'::regclass, t.oid, 0) i
  where t.oid >= 16384 and ${own("pg_transform", "t")}`,
    ifUsed("pg_ts_parser")`
  select 'text search parser', i.identity, null, 'pg_ts_parser:' || p.oid,
    'create text search parser ' || i.identity || ' (' || concat_ws(', ', 'start = ' || prsstart::regproc,
      'gettoken = ' || prstoken::regproc, 'end = ' || prsend::regproc, 'lextypes = ' || prslextype::regproc,
      'headline = ' || nullif(prsheadline::oid, 0)::regproc) || ')', 'drop text search parser ' || i.identity
  from pg_ts_parser p cross join lateral pg_identify_object('pg_ts_parser'::regclass, p.oid, 0) i
  where p.oid >= 16384 and ${own("pg_ts_parser", "p")}`,
    ifUsed("pg_ts_template")`
  select 'text search template', i.identity, null, 'pg_ts_template:' || t.oid,
    'create text search template ' || i.identity || ' (' || concat_ws(', ', 'init = ' || nullif(tmplinit::oid, 0)::regproc,
      'lexize = ' || tmpllexize::regproc) || ')', 'drop text search template ' || i.identity
  from pg_ts_template t cross join lateral pg_identify_object('pg_ts_template'::regclass, t.oid, 0) i
  where t.oid >= 16384 and ${own("pg_ts_template", "t")}`,
    ifUsed("pg_ts_dict")`
  select 'text search dictionary', d.oid::regdictionary::text, null, 'pg_ts_dict:' || d.oid,
    'create text search dictionary ' || d.oid::regdictionary || ' (' || concat_ws(', ',
      'template = ' || (pg_identify_object('pg_ts_template'::regclass, dicttemplate, 0)).identity, dictinitoption) || ')',
    'drop text search dictionary ' || d.oid::regdictionary
  from pg_ts_dict d where d.oid >= 16384 and ${own("pg_ts_dict", "d")}`,
  ];
}

/** Rows that did not come with an extension. */
function own(catalog: string, alias: string): Statement {
  return text(
    `not exists (select from members where classid = '${catalog}'::regclass and objid = ${alias}.oid)`,
  );
}

/** Options as DDL lists them; null for none. */
export function listed(options: Statement): Statement {
  return sql`(select 'options (' || string_agg(quote_ident(split_part(o, '=', 1)) || ' '
    || quote_literal(substr(o, strpos(o, '=') + 1)), ', ') || ')' from unnest(${options}) o)`;
}

function operator(column: string): Statement {
  return text(
    `(select 'operator(' || quote_ident(pg_namespace.nspname) || '.' || k.oprname || ')' from pg_operator k
    join pg_namespace on pg_namespace.oid = k.oprnamespace where k.oid = o.${column})`,
  );
}

function using(identity: string): Statement {
  return text(`replace(${identity}, ' USING ', ' using ')`);
}

/** The operators and functions of an operator class, or of a family by itself. */
function members(catalog: string, oid: string): Statement {
  const strength = catalog === "pg_opclass" ? "i" : "a";
  const from = (member: string) =>
    `pg_depend d join ${member} m on d.classid = '${member}'::regclass and d.objid = m.oid
      where d.refclassid = '${catalog}'::regclass and d.refobjid = ${oid} and d.deptype = '${strength}'`;
  return text(`(select string_agg(item, ', ' order by item) from (
      select 'operator ' || amopstrategy || ' ' || (select quote_ident(s.nspname) || '.' || oprname
          from pg_operator p join pg_namespace s on s.oid = oprnamespace where p.oid = amopopr)
        || ' (' || format_type(amoplefttype, null) || ', ' || format_type(amoprighttype, null) || ')'
        || case when amoppurpose = 'o' then ' for order by '
          || split_part((pg_identify_object('pg_opfamily'::regclass, amopsortfamily, 0)).identity, ' USING ', 1) else '' end as item
      from ${from("pg_amop")}
      union all
      select 'function ' || amprocnum || ' (' || format_type(amproclefttype, null) || ', '
        || format_type(amprocrighttype, null) || ') ' || amproc::regprocedure from ${
    from("pg_amproc")
  }) as items)`);
}

/** SQL that is put together from names of the catalog. */
function text(of: string): Statement {
  return new Statement([of], []);
}

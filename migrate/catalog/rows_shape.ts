/**
 * What PostgreSQL does not say about its own catalogs: how an expression is printed, what a row is
 * about, which rows are no part of a schema. In each text `x` is the row.
 */

/** A role's name, which is another one on each server where it is the one that migrates. */
export function role(oid: string): string {
  return `case ${oid} when 0 then 'public' when (select oid from home) then '(owner)' else pg_get_userbyid(${oid}) end`;
}

/** The privileges beyond an object's usual ones, in an order of their own; null: the usual ones. */
function privileges(acl: string, kind: string, owner: string): string {
  const usual = `acldefault(${kind}::"char", ${owner})`;
  const text = (of: string) =>
    `(
    select string_agg(role || '=' || what, ', ' order by role, what) from (
      select case grantee when 0 then 'public' when (select oid from home) then '(owner)'
          when ${owner} then '(its owner)' else pg_get_userbyid(grantee) end as role,
        -- The privileges that a version knows count as all: PostgreSQL 17 has added one.
        case when count(*) = (select count(*) from aclexplode(acldefault(${kind}::"char", ${owner})) u
            where u.grantee = ${owner}) then 'all' else string_agg(privilege_type, '/' order by privilege_type) end
          || case when is_grantable then ' further' else '' end as what
      from aclexplode(${of}) where pg_get_userbyid(grantee) not in (select name from server_roles)
      group by grantee, is_grantable) p)`;
  // Nobody may do anything: that is not the usual either.
  const orNobody = (of: string) => `coalesce(${text(of)}, 'nobody')`;
  return `case when ${acl} is not null then nullif(${orNobody(acl)}, ${orNobody(usual)}) end`;
}

/** Values that are printed in a way of their own. */
export const printed: Record<string, string> = {
  "pg_attrdef.adbin": "pg_get_expr(x.adbin, x.adrelid)",
  "pg_attribute.attstattarget": "nullif(x.attstattarget, -1)::text",
  "pg_attribute.attacl": privileges(
    "x.attacl",
    "'c'",
    "(select relowner from pg_class where oid = x.attrelid)",
  ),
  "pg_class.relacl": privileges(
    "x.relacl",
    "case x.relkind when 'S' then 's' else 'r' end",
    "x.relowner",
  ),
  "pg_class.relowner": `case when x.relkind not in ('i', 'I', 'c') then ${role("x.relowner")} end`,
  "pg_class.relpartbound": "pg_get_expr(x.relpartbound, x.oid)",
  "pg_constraint.conbin": "pg_get_expr(x.conbin, x.conrelid)",
  "pg_constraint.conname": `case when not (${madeForPartition("x")}) then x.conname end`,
  "pg_constraint.conparentid": "(x.conparentid <> 0)::text",
  "pg_constraint.confdelsetcols": `case when x.confdelsetcols is not null then (
    select string_agg(quote_ident(attname), ', ' order by n)
    from unnest(x.confdelsetcols) with ordinality u(e, n)
    join pg_attribute on attrelid = x.conrelid and attnum = e) end`,
  "pg_database.datacl": "null",
  "pg_default_acl.defaclacl": privileges(
    "x.defaclacl",
    "case x.defaclobjtype when 'S' then 's' else lower(x.defaclobjtype::text) end",
    "x.defaclrole",
  ),
  "pg_enum.enumsortorder":
    "(select count(*) from pg_enum e where e.enumtypid = x.enumtypid and e.enumsortorder <= x.enumsortorder)::text",
  "pg_extension.extversion": `nullif(x.extversion, case when x.oid >= 16384 then
    (select default_version from pg_available_extensions where name = x.extname) else x.extversion end)`,
  "pg_foreign_data_wrapper.fdwacl": privileges("x.fdwacl", "'F'", "x.fdwowner"),
  "pg_foreign_server.srvacl": privileges("x.srvacl", "'S'", "x.srvowner"),
  "pg_index.indexprs": "pg_get_expr(x.indexprs, x.indrelid)",
  "pg_index.indpred": "pg_get_expr(x.indpred, x.indrelid)",
  "pg_language.lanacl": privileges("x.lanacl", "'l'", "x.lanowner"),
  "pg_namespace.nspacl": privileges("x.nspacl", "'n'", "x.nspowner"),
  "pg_partitioned_table.partexprs": "pg_get_expr(x.partexprs, x.partrelid)",
  "pg_policy.polqual": "pg_get_expr(x.polqual, x.polrelid)",
  "pg_policy.polwithcheck": "pg_get_expr(x.polwithcheck, x.polrelid)",
  "pg_policy.polroles": `(select string_agg(r, ', ' order by r) from (
    select case e when 0 then 'public' when (select oid from home) then '(owner)'
      else pg_get_userbyid(e) end as r from unnest(x.polroles) e) names)`,
  "pg_proc.proacl": privileges("x.proacl", "'f'", "x.proowner"),
  // A file with Windows line ends leaves them in the bodies of functions.
  "pg_proc.prosrc": "replace(x.prosrc, e'\\r\\n', e'\\n')",
  "pg_proc.proargdefaults": "pg_get_expr(x.proargdefaults, 0)",
  "pg_proc.prosqlbody": "case when x.prosqlbody is not null then pg_get_functiondef(x.oid) end",
  "pg_publication_rel.prqual": "pg_get_expr(x.prqual, x.prrelid)",
  "pg_publication_rel.prattrs": `(select string_agg(quote_ident(attname), ', ' order by attname)
    from unnest(x.prattrs) e join pg_attribute on attrelid = x.prrelid and attnum = e)`,
  "pg_rewrite.ev_action":
    "case when x.rulename = '_RETURN' then pg_get_viewdef(x.ev_class) else pg_get_ruledef(x.oid) end",
  "pg_statistic_ext.stxexprs": "array_to_string(pg_get_statisticsobjdef_expressions(x.oid), ', ')",
  "pg_statistic_ext.stxstattarget": "nullif(x.stxstattarget, -1)::text",
  "pg_trigger.tgconstraint": `case when x.tgconstraint <> 0 then (select ${
    constraint("k")
  } from pg_constraint k where oid = x.tgconstraint) end`,
  "pg_trigger.tgname": "case when not x.tgisinternal then x.tgname end",
  "pg_trigger.tgqual":
    "case when x.tgqual is not null then substring(pg_get_triggerdef(x.oid) from ' WHEN \\((.*)\\) EXECUTE ') end",
  "pg_type.typacl": privileges("x.typacl", "'T'", "x.typowner"),
  "pg_type.typowner":
    `case when x.typtype <> 'm' and x.typrelid = 0 or exists (select from pg_class c where c.oid = x.typrelid and c.relkind = 'c') then ${
      role("x.typowner")
    } end`,
  // The text as it was written, in the search_path of who wrote it.
  "pg_type.typdefault": "case when x.typdefaultbin is null then x.typdefault end",
  "pg_type.typdefaultbin": "pg_get_expr(x.typdefaultbin, 0)",
  "pg_user_mapping.umoptions":
    `(select string_agg(case when o ~* '^[^=]*(pass|secret|token|key)' then split_part(o, '=', 1) else o end, ', ' order by o)
    from unnest(x.umoptions) o)`,
  ...Object.fromEntries(
    ["conislocal", "coninhcount", "connoinherit"].map((column) => [
      `pg_constraint.${column}`,
      `case when x.conparentid = 0 and x.contype not in ('p', 'u', 'x') then x.${column}::text end`,
    ]),
  ),
};

/**
 * A constraint. What PostgreSQL makes for a partition of what is referred to, each version calls
 * otherwise.
 */
function constraint(c: string): string {
  return `case when ${
    madeForPartition(c)
  } then ${c}.conrelid::regclass || ' to ' || ${c}.confrelid::regclass
    when ${c}.conrelid <> 0 then ${c}.conrelid::regclass::text else format_type(${c}.contypid, null) end
    || case when ${madeForPartition(c)} then '' else '.' || quote_ident(${c}.conname) end`;
}

function madeForPartition(c: string): string {
  return `${c}.contype = 'f' and exists (select from pg_constraint p where p.oid = ${c}.conparentid and p.conrelid = ${c}.conrelid)`;
}

const column = (relation: string, number: string) =>
  `${relation}::regclass || '.' || (select quote_ident(attname) from pg_attribute where attrelid = ${relation} and attnum = ${number})`;
const within = (relation: string, name: string) =>
  `${relation}::regclass || '.' || quote_ident(${name})`;

/** What a row is about, where that is no object with an identity. */
export const identities: Record<string, string> = {
  pg_default_acl: `'for role ' || ${
    role("x.defaclrole")
  } || coalesce(' in schema ' || nullif(x.defaclnamespace, 0)::regnamespace, '') || ' on ' || x.defaclobjtype::text`,
  pg_user_mapping: `${
    role("x.umuser")
  } || ' on server ' || (select quote_ident(srvname) from pg_foreign_server where oid = x.umserver)`,
  pg_amop:
    `(pg_identify_object('pg_opfamily'::regclass, x.amopfamily, 0)).identity || ' operator ' || x.amopstrategy
    || ' (' || format_type(x.amoplefttype, null) || ', ' || format_type(x.amoprighttype, null) || ')'`,
  pg_amproc:
    `(pg_identify_object('pg_opfamily'::regclass, x.amprocfamily, 0)).identity || ' function ' || x.amprocnum
    || ' (' || format_type(x.amproclefttype, null) || ', ' || format_type(x.amprocrighttype, null) || ')'`,
  pg_cast: "format_type(x.castsource, null) || ' as ' || format_type(x.casttarget, null)",
  pg_attrdef: column("x.adrelid", "x.adnum"),
  pg_attribute: within("x.attrelid", "x.attname"),
  pg_constraint: constraint("x"),
  pg_description:
    `(select replace(type, 'table column', 'column') || ' ' || identity from pg_identify_object(x.classoid, x.objoid, x.objsubid))`,
  pg_enum: `format_type(x.enumtypid, null) || '.' || quote_literal(x.enumlabel)`,
  pg_inherits: "x.inhrelid::regclass::text",
  pg_policy: within("x.polrelid", "x.polname"),
  pg_rewrite:
    `x.ev_class::regclass::text || case when x.rulename = '_RETURN' then '' else '.' || quote_ident(x.rulename) end`,
  pg_seclabel:
    `(pg_identify_object(x.classoid, x.objoid, x.objsubid)).type || ' ' || (pg_identify_object(x.classoid, x.objoid, x.objsubid)).identity`,
  pg_trigger: `case when x.tgisinternal then coalesce((select ${
    constraint("k")
  } from pg_constraint k where oid = x.tgconstraint),
    x.tgrelid::regclass::text) || ' trigger ' || x.tgfoid::regproc else ${
    within("x.tgrelid", "x.tgname")
  } end`,
  pg_ts_config_map:
    `(pg_identify_object('pg_ts_config'::regclass, x.mapcfg, 0)).identity || ' ' || x.maptokentype || ' ' || x.mapseqno`,
};

/** The table that a row is a part of. */
export const owners: Record<string, string> = {
  pg_attrdef: "x.adrelid::regclass::text",
  pg_attribute: "x.attrelid::regclass::text",
  pg_class:
    `(select case when x.relkind in ('i', 'I') then (select indrelid::regclass::text from pg_index where indexrelid = x.oid)
    when x.relkind in ('r', 'p', 'f') then x.oid::regclass::text end)`,
  pg_constraint: "nullif(x.conrelid, 0)::regclass::text",
  pg_foreign_table: "x.ftrelid::regclass::text",
  pg_index: "x.indrelid::regclass::text",
  pg_inherits: "x.inhrelid::regclass::text",
  pg_partitioned_table: "x.partrelid::regclass::text",
  pg_policy: "x.polrelid::regclass::text",
  pg_rewrite: "x.ev_class::regclass::text",
  pg_statistic_ext: "x.stxrelid::regclass::text",
  pg_trigger: "x.tgrelid::regclass::text",
  pg_type:
    "(select x.typrelid::regclass::text from pg_class where oid = x.typrelid and relkind <> 'c')",
};

const user = "not like 'pg\\_%'";

/** Which rows are a user's, where `oid >= 16384` does not tell. */
export const filters: Record<string, string> = {
  pg_attribute: `x.attrelid >= 16384 and x.attnum > 0 and not x.attisdropped and exists (
    select from pg_class c where c.oid = x.attrelid and c.relkind not in ('t', 'S')
      and (c.relkind not in ('i', 'I') or x.attstattarget >= 0
        or exists (select from unnest(x.attoptions) o where o !~ '^pg_'))
      and c.relnamespace::regnamespace::text ${user})`,
  pg_class: `x.oid >= 16384 and x.relkind <> 't' and x.relnamespace::regnamespace::text ${user}`,
  pg_constraint: "x.oid >= 16384 and x.contype <> 'n'",
  pg_description:
    `x.objoid >= 16384 and ${"not exists (select from hidden h where h.classid = x.classoid and h.objid = x.objoid)"}
    and not exists (select from pg_constraint where x.classoid = 'pg_constraint'::regclass and oid = x.objoid and contype = 'n')
    or x.classoid = 'pg_namespace'::regclass and x.objoid = (select oid from pg_namespace where nspname = 'public')`,
  pg_extension: "true",
  pg_index: `x.indexrelid >= 16384 and exists (
    select from pg_class c where c.oid = x.indrelid and c.relkind <> 't' and c.relnamespace::regnamespace::text ${user})`,
  pg_namespace: `x.nspname ${user} and x.nspname <> 'information_schema'`,
  pg_seclabel: "x.objoid >= 16384",
  pg_subscription: "x.subdbid = (select oid from pg_database where datname = current_database())",
  pg_type: `x.oid >= 16384 and x.typnamespace::regnamespace::text ${user}
    and not (x.typelem <> 0 and exists (select from pg_type e where e.typarray = x.oid))`,
};

/** Of these, rows that PostgreSQL brings are compared as well. */
export const brought = ["pg_description", "pg_extension", "pg_namespace"];

/** What everybody may read, where that is not the table itself. */
export const sources: Record<string, string> = {
  pg_user_mapping:
    "(select umid as oid, umuser, srvid as umserver, umoptions from pg_user_mappings)",
};

/** Values that are no column of the row. */
export const kept: Record<string, Record<string, string>> = {
  pg_attribute: {
    "not null constraint": `case when current_setting('server_version_num')::int >= 180000 then
      (select nullif(concat_ws(', ', case when not convalidated then 'not valid' end,
        case when connoinherit then 'no inherit' end), '')
      from pg_constraint where conrelid = x.attrelid and contype = 'n' and conkey = array[x.attnum]) end`,
  },
  pg_class: {
    "column order":
      `case when x.relkind in ('r', 'p', 'f') then (select string_agg(quote_ident(attname), ', ' order by attnum)
      from pg_attribute where attrelid = x.oid and attnum > 0 and not attisdropped) end`,
    "toast options":
      "(select string_agg(o, ', ' order by o) from pg_class t, unnest(t.reloptions) o where t.oid = x.reltoastrelid and o !~ '^pg_')",
    "owned by": `case when x.relkind = 'S' then ${ownedBy("x.oid")} end`,

    "depends on extension": extensions("pg_class"),
  },
  pg_sequence: { "owned by": ownedBy("x.seqrelid") },
  pg_proc: { "depends on extension": extensions("pg_proc") },
  pg_trigger: { "depends on extension": extensions("pg_trigger") },
};

function extensions(catalog: string): string {
  return `case when x.oid in (select objid from extended) then (
    select string_agg(extname, ', ' order by extname) from pg_depend d join pg_extension e on e.oid = d.refobjid
    where d.classid = '${catalog}'::regclass and d.objid = x.oid and d.deptype = 'x') end`;
}

/** The column that a sequence belongs to. */
function ownedBy(sequence: string): string {
  return `(select d.refobjid::regclass || '.' || quote_ident(attname) from pg_depend d
    join pg_attribute on attrelid = d.refobjid and attnum = d.refobjsubid
    where d.classid = 'pg_class'::regclass and d.objid = ${sequence} and d.refclassid = 'pg_class'::regclass
      and d.refobjsubid > 0 and d.deptype in ('a', 'i'))`;
}

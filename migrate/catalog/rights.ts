import { sql, type Statement } from "../../postgres/mod.ts";
import { ifUsed, type Part, union, type Used } from "./used.ts";

/** The CTEs from which catalogQuery tells grants and comments. */
export function rightRelations(serverRoles: readonly string[], used: Used): Statement {
  const roles = JSON.stringify(serverRoles);
  return sql`
acls (kind, name, id, of, acl, usual, owner, object) as (${union(acls, used)}
),
privileges as (
  select acls.*, 'grant' as verb, a.grantee, a.is_grantable, a.privilege_type
  from acls, aclexplode(coalesce(acl, usual)) a
  -- What some roles may is the server's business, as the roles themselves are.
  where pg_get_userbyid(grantee) not in (select json_array_elements_text(${roles}::text::json))
  and not exists (
    select from aclexplode(usual) u
    where u.grantee = a.grantee and u.privilege_type = a.privilege_type
  )
  union all
  select acls.*, 'revoke', u.grantee, false, u.privilege_type
  from acls, aclexplode(usual) u
  where acl is not null and not exists (
    select from aclexplode(acl) a
    where u.grantee = a.grantee and u.privilege_type = a.privilege_type
  )
),
granted as (
  select kind, name, id, of, verb, object, is_grantable,
    ${sql`case grantee when 0 then 'public' when (select oid from home) then 'current_user'
      else quote_ident(pg_get_userbyid(grantee)) end`} as role,
    -- PostgreSQL 17 added MAINTAIN, which a "grant all" of before did not list.
    case when object like 'table %' and count(*) filter (where privilege_type <> 'MAINTAIN') = 7
      then 'all' -- Each privilege on a column names the column: without it, it is one on the whole table.
      else string_agg(lower(privilege_type), case kind when 'column'
        then ' ' || split_part(object, ' on table ', 1) else '' end || ', ' order by privilege_type) end as what
  from privileges
  group by kind, name, id, of, verb, object, is_grantable, grantee
),
described as (
  select i.type, i.identity, d.description, d.classoid, d.objoid, d.objsubid
  from pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) i
  where (d.objoid >= 16384 or d.classoid = 'pg_namespace'::regclass and d.objoid = (
      select oid from pg_namespace where nspname = 'public') and description <> 'standard public schema')
    and not exists (select from members where classid = d.classoid and objid = d.objoid)
    and not exists (
      select from pg_constraint where d.classoid = 'pg_constraint'::regclass
        and oid = d.objoid and contype::text = 'n'
    )
  union all
  -- That the comment which it comes with is gone, as pg_dump writes it of one that was made anew.
  select 'schema', 'public', null, 'pg_namespace'::regclass, n.oid, 0
  from pg_namespace n where nspname = 'public' and obj_description(n.oid, 'pg_namespace') is null
)
`;
}

const acls: Part[] = [
  ifUsed("pg_class")`
  select 'table', name, id, name, relacl,
    acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner),
    relowner, case relkind when 'S' then 'sequence ' else 'table ' end || name
  from relations where relkind in ('r', 'p', 'f', 'v', 'm', 'S')`,
  ifUsed("pg_class")`
  select 'column', name, table_id, table_name, attacl, null, relowner,
    '(' || quote_ident(attname) || ') on table ' || table_name
  from columns join pg_class on pg_class.oid = attrelid where attacl is not null`,
  ifUsed("pg_proc")`
  select 'function', name, id, name, proacl, acldefault('f', proowner), proowner,
    case prokind when 'p' then 'procedure ' else 'function ' end || name
  from functions`,
  ifUsed("pg_type")`
  select 'type', name, id, name, typacl, acldefault('T', typowner), typowner, 'type ' || name
  from types where typacl is not null and typtype in ('c', 'd', 'e', 'r')`,
  ifUsed("pg_namespace")`
  select 'schema', quote_ident(n.nspname), 'pg_namespace:' || n.oid, quote_ident(n.nspname), n.nspacl,
    coalesce(i.initprivs, acldefault('n', n.nspowner)), n.nspowner, 'schema ' || quote_ident(n.nspname)
  from pg_namespace n
  join spaces on spaces.oid = n.oid
  left join pg_init_privs i on i.classoid = 'pg_namespace'::regclass and i.objoid = n.oid`,
  ifUsed("pg_language")`
  select 'language', quote_ident(lanname), 'pg_language:' || oid, null, lanacl, acldefault('l', lanowner), lanowner,
    'language ' || quote_ident(lanname)
  from pg_language l where oid >= 16384 and not exists (
    select from members where classid = 'pg_language'::regclass and objid = l.oid)`,
  ifUsed("pg_foreign_server")`
  select 'server', quote_ident(srvname), 'pg_foreign_server:' || oid, null, srvacl, acldefault('S', srvowner), srvowner,
    'foreign server ' || quote_ident(srvname)
  from pg_foreign_server`,
  ifUsed("pg_foreign_data_wrapper")`
  select 'wrapper', quote_ident(fdwname), 'pg_foreign_data_wrapper:' || oid, null, fdwacl, acldefault('F', fdwowner), fdwowner,
    'foreign data wrapper ' || quote_ident(fdwname)
  from pg_foreign_data_wrapper w where not exists (
    select from members where classid = 'pg_foreign_data_wrapper'::regclass and objid = w.oid)`,
];

/** What catalogQuery tells of grants, default privileges and comments. */
export function rightObjects(): Part[] {
  return [
    ifUsed("pg_namespace")`
  select 'grant', concat_ws(' ', object, verb, role, case when is_grantable then 'further' end), of, id,
    verb || ' ' || what || case kind when 'column' then ' ' else ' on ' end || object
    || case verb when 'grant' then ' to ' else ' from ' end || role
    || case when is_grantable then ' with grant option' else '' end
  from granted`,
    ifUsed("pg_default_acl")`
  select 'default privileges', concat_ws(' ', 'for role', coalesce(maker, '(owner)'), 'in schema ' || quote_ident(n.nspname), 'on', defaclobjtype, verb, r,
      case when is_grantable then 'further' end),
    null, 'pg_default_acl:' || d.oid,
    'alter default privileges' || coalesce(' for role ' || maker, '') || coalesce(' in schema ' || quote_ident(n.nspname), '')
    || ' ' || verb || ' ' || lower(string_agg(privilege_type, ', ' order by privilege_type)) || ' on '
    || case defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
      when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end
    || case verb when 'grant' then ' to ' else ' from ' end || r || case when is_grantable then ' with grant option' else '' end
  from pg_default_acl d
  left join pg_namespace n on n.oid = defaclnamespace
  cross join lateral (select case when defaclrole <> (select oid from home) then quote_ident(pg_get_userbyid(defaclrole)) end as maker,
    -- What is given in a schema comes on top of what is given everywhere.
    case when defaclnamespace = 0 then acldefault(case defaclobjtype when 'S' then 's' else defaclobjtype end, defaclrole) end as usual) u
  cross join lateral (
    select 'grant' as verb, a.grantee, a.privilege_type, a.is_grantable from aclexplode(defaclacl) a
    where not exists (select from aclexplode(usual) b where b.grantee = a.grantee and b.privilege_type = a.privilege_type)
    union all
    select 'revoke', b.grantee, b.privilege_type, false from aclexplode(usual) b
    where not exists (select from aclexplode(defaclacl) a where b.grantee = a.grantee and b.privilege_type = a.privilege_type)
  ) p
  cross join lateral (select case grantee when 0 then 'public' when (select oid from home) then 'current_user'
    else quote_ident(pg_get_userbyid(grantee)) end as r) g
  group by d.oid, defaclobjtype, n.nspname, maker, verb, r, is_grantable`,
    ifUsed("pg_description")`
  select 'comment', replace(type, 'table column', 'column') || ' ' || identity, coalesce(t.name, f.name, y.name), '',
    'comment on ' || case
      when type like '% column' then 'column ' || identity
      when type = 'aggregate' then 'aggregate ' || replace(identity, '()', '(*)')
      when type = 'table constraint' then 'constraint ' || identity
      when type = 'domain constraint' then 'constraint ' || regexp_replace(identity, ' on ', ' on domain ')
      when type = 'statistics object' then 'statistics ' || identity
      when type = 'foreign-data wrapper' then 'foreign data wrapper ' || identity
      when type like 'operator %' then type || ' ' || replace(identity, ' USING ', ' using ')
      else type || ' ' || identity end
    || ' is ' || quote_nullable(description)
  from described d
  left join pg_constraint k on d.classoid = 'pg_constraint'::regclass and k.oid = d.objoid
  left join pg_trigger g on d.classoid = 'pg_trigger'::regclass and g.oid = d.objoid
  left join pg_policy p on d.classoid = 'pg_policy'::regclass and p.oid = d.objoid
  left join pg_rewrite w on d.classoid = 'pg_rewrite'::regclass and w.oid = d.objoid
  left join pg_index x on d.classoid = 'pg_class'::regclass and x.indexrelid = d.objoid
  left join relations t on t.oid = coalesce(k.conrelid, g.tgrelid, p.polrelid, w.ev_class, x.indrelid,
    case when d.classoid = 'pg_class'::regclass then d.objoid end)
  left join functions f on d.classoid = 'pg_proc'::regclass and f.oid = d.objoid
  left join types y on y.oid = coalesce(nullif(k.contypid, 0),
    case when d.classoid = 'pg_type'::regclass then d.objoid end)
  where (d.classoid <> 'pg_class'::regclass or t.oid is not null)
    and (d.classoid <> 'pg_proc'::regclass or f.oid is not null)
    and (d.classoid <> 'pg_trigger'::regclass or t.oid is not null)
    and (k.conrelid is null or k.conrelid = 0 or t.oid is not null)`,
  ];
}

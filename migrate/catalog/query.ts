import { sql, Statement } from "../../postgres/mod.ts";
import { statedOptions } from "./options.ts";
import { home } from "./home.ts";
import { programObjects } from "./programs.ts";
import { rightObjects, rightRelations } from "./rights.ts";
import { inheritedColumns, ownedRelations, settingObjects } from "./settings.ts";
import { tableObjects } from "./tables.ts";
import { typeObjects } from "./types.ts";
import { union, type Used } from "./used.ts";

/** How names and expressions are written: for machines to compare, or for people to read. */
export interface Writing {
  /** The search_path; a name outside of it is written with its schema. */
  path: string;
  /** Relations, and functions without their arguments, that are not part of the schema. */
  internal: readonly string[];
  /** The roles whose rights are not part of the schema. */
  serverRoles: readonly string[];
  /** Options of tables, views, columns and indexes that are left out. */
  ignored: readonly string[];
}

/**
 * One row with one column `objects`, a JSON array of { kind, name, of, id, ddl }: every object of the
 * database, as PostgreSQL itself writes it. One statement, which needs no right but to connect,
 * sets what it needs for itself alone, and so is safe through a pooler and on a read-only replica.
 *
 * The settings are in a CTE that the outer query scans: its row is there before the select list,
 * which holds everything else, is computed. What differs between servers and not in what a
 * migration says is left out: owners, not-null constraints as objects (columns say it; PostgreSQL
 * 18 alone has them), extension versions, tablespaces, sequence positions, a server's own options.
 */
export function catalogQuery(
  { path, internal, ignored, serverRoles }: Writing,
  used: Used,
): Statement {
  const plain = union([...typeObjects(), ...tableObjects(), ...rightObjects()], used);
  const undone = union([...programObjects(), ...settingObjects()], used);
  const [left, options] = [JSON.stringify(internal), JSON.stringify(ignored)];
  return sql`
with settings as materialized (
  select set_config('search_path', ${path}, true), set_config('timezone', 'UTC', true),
    set_config('datestyle', 'ISO, YMD', true), set_config('intervalstyle', 'postgres', true),
    set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true),
    set_config('quote_all_identifiers', 'off', true)
)
select (
with ${new Statement([home], [])},
internal as (select json_array_elements_text(${left}::text::json) as name),
ignored as (select json_array_elements_text(${options}::text::json) as name),
-- What came with an extension, or by itself with another object, such as a range's constructors.
members as (
  select classid, objid from pg_depend
  where deptype = 'e'
    or deptype = 'i' and classid in ('pg_proc'::regclass, 'pg_cast'::regclass)
),
spaces as (
  select oid, nspname from pg_namespace
  where nspname !~ '^pg_' and nspname <> 'information_schema'
    and nspname not in (select name from internal)
),
relations as (
  select c.*, c.oid::regclass::text as name, 'pg_class:' || c.oid as id,
    ${statedOptions(sql`c.reloptions`)} as stated_options
  from pg_class c
  join spaces on spaces.oid = c.relnamespace
  where c.relname not in (select name from internal)
    and not exists (select from members where classid = 'pg_class'::regclass and objid = c.oid)
),
tables as (select * from relations where relkind in ('r', 'p', 'f')),
types as (
  select t.*, format_type(t.oid, null) as name, 'pg_type:' || t.oid as id
  from pg_type t
  join spaces on spaces.oid = t.typnamespace
  where not exists (select from members where classid = 'pg_type'::regclass and objid = t.oid)
),
functions as (
  select p.*, p.oid::regprocedure::text as name, 'pg_proc:' || p.oid as id
  from pg_proc p
  join spaces on spaces.oid = p.pronamespace
  where p.proname not in (select name from internal)
    and not exists (select from members where classid = 'pg_proc'::regclass and objid = p.oid)
),
sequence_options as (
  select s.*, c.name, c.relname, c.id, d.refobjid as owner_relation, d.refobjsubid as owner_column, d.deptype,
    -- What PostgreSQL chooses by itself is not worth a reader's time.
    concat_ws(' ',
      case when d.deptype is distinct from 'i' and s.seqtypid <> 'int8'::regtype
        then 'as ' || format_type(s.seqtypid, null) end,
      case when s.seqstart <> case when s.seqincrement > 0 then s.seqmin else s.seqmax end
        then 'start ' || s.seqstart end,
      case when s.seqincrement <> 1 then 'increment ' || s.seqincrement end,
      case when s.seqmin <> case when s.seqincrement > 0 then 1 else limits.least end
        then 'minvalue ' || s.seqmin end,
      case when s.seqmax <> case when s.seqincrement > 0 then limits.most else -1 end
        then 'maxvalue ' || s.seqmax end,
      case when s.seqcache <> 1 then 'cache ' || s.seqcache end,
      case when s.seqcycle then 'cycle' end) as options
  from pg_sequence s
  join relations c on c.oid = s.seqrelid
  cross join lateral (
    select case s.seqtypid when 'int2'::regtype then 32767 when 'int4'::regtype then 2147483647
      else 9223372036854775807 end as most
  ) upper
  cross join lateral (select upper.most, -upper.most - 1 as least) limits
  left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.seqrelid
    and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
),
columns as (
  select a.*, c.name as table_name, c.id as table_id, c.relkind,
    c.name || '.' || quote_ident(a.attname) as name, t.typcollation, t.typstorage,
    ${statedOptions(sql`a.attoptions`)} as stated_options
  from pg_attribute a
  join relations c on c.oid = a.attrelid
  join pg_type t on t.oid = a.atttypid
  where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'f', 'v', 'm', 'c')
),
${rightRelations(serverRoles, used)},
${inheritedColumns()},
${ownedRelations(used)},
objects as (
  select plain.*, null as undo from (${plain}) as plain
  union all${undone}
)
select json_agg(json_build_object('kind', kind, 'name', name, 'of', of, 'id', id, 'ddl', ddl,
  'undo', undo)
  order by kind collate "C", name collate "C", ddl collate "C")
from objects
) as objects
from settings
`;
}

import { type Database, sql, Statement } from "../../postgres/mod.ts";
import { project } from "../project.ts";
import { bookkeeping } from "./bookkeeping.ts";
import { home } from "./home.ts";
import { isLeftOut } from "./left_out.ts";
import { withoutSettings } from "./options.ts";
import {
  brought,
  filters,
  identities,
  kept,
  owners,
  printed,
  role,
  sources,
} from "./rows_shape.ts";
import { type CatalogColumn, ownColumn, readCatalogs, readUsed, type Used } from "./used.ts";

/** One row of a catalog, with names in place of numbers. */
export interface CatalogRow {
  /** The table of pg_catalog. */
  catalog: string;
  /** What the row is about, as in a definition's name: `public.todos.due_date`. */
  name: string;
  /** The table that this is a part of, or itself. */
  of: string | null;
  values: Record<string, string | null>;
}

/**
 * Every row of the catalogs of a database that is not left out by name: two databases are equal if
 * and only if these are. PostgreSQL says which tables and columns there are and how they hang
 * together, so that a kind of object which nobody thought of is here as well. Reads only.
 */
export async function readRows(
  db: Database,
  ignored: readonly string[] = [],
  used?: Used,
): Promise<CatalogRow[]> {
  const { text, columns } = await query(db, used ?? await readUsed(db));
  const { serverRoles = [] } = project.config;
  const statement = sql`
    with recursive server_roles as materialized (
      select json_array_elements_text(${JSON.stringify(serverRoles)}::text::json) as name
    ),
    ignored as materialized (
      select json_array_elements_text(${JSON.stringify(ignored)}::text::json) as name
    ),
    ${text}`;
  const [row] = await db.query<{ rows: [string, string, string | null, (string | null)[]][] }>(
    statement,
  );
  const rows = (row?.rows ?? []).map(([catalog, name, of, texts]) => {
    const values: CatalogRow["values"] = {};
    for (const [i, column] of columns.get(catalog)!.entries()) values[column] = texts[i] ?? null;
    return { catalog, name, of, values };
  });
  for (const { catalog, values } of ignored.length > 0 ? rows : []) {
    // The whole definition, and with it the settings.
    if (catalog === "pg_proc" && values.prosqlbody) {
      values.prosqlbody = withoutSettings(values.prosqlbody, ignored);
    }
  }
  return numbered(rows);
}

/**
 * In the order of their names; rows of one name are told apart by their values: `public.f(integer)`,
 * `public.f(integer) 2`. Here and not by the server, to which it is half as much work again.
 */
function numbered(rows: CatalogRow[]): CatalogRow[] {
  const keyed = rows.map((row) => ({ row, key: `${row.catalog} ${row.name}` }));
  keyed.sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : byValues(a.row, b.row));
  let before = "", count = 1;
  return keyed.map(({ row, key }) => {
    count = key === before ? count + 1 : 1;
    before = key;
    return count === 1 ? row : { ...row, name: `${row.name} ${count}` };
  });
}

function byValues(a: CatalogRow, b: CatalogRow): number {
  const [x, y] = [a, b].map(({ of, values }) => JSON.stringify([of, values]));
  return x! < y! ? -1 : x! > y! ? 1 : 0;
}

interface Query {
  /** All but what differs from one question to the next. */
  text: Statement;
  /** The names of the values of each catalog's rows. */
  columns: Map<string, string[]>;
}

/** By the catalogs of a version and those that are used: composed once. */
const queries = new WeakMap<Map<string, CatalogColumn[]>, Map<string, Query>>();

async function query(db: Database, used: Used): Promise<Query> {
  const catalogs = await readCatalogs(db);
  const composed = queries.get(catalogs) ?? new Map<string, Query>();
  queries.set(catalogs, composed);
  const names = [...catalogs.keys()].filter((name) => used.has(name) || brought.includes(name));
  const key = names.join();
  if (!composed.has(key)) {
    composed.set(key, compose(new Map(names.map((name) => [name, catalogs.get(name)!]))));
  }
  return composed.get(key)!;
}

function compose(catalogs: Map<string, CatalogColumn[]>): Query {
  const columns = new Map<string, string[]>();
  const selects: string[] = [];
  for (const [catalog, fields] of catalogs) {
    const compared = fields.filter(({ column }) => !isLeftOut(catalog, column));
    const more = Object.entries(kept[catalog] ?? {});
    columns.set(catalog, [...compared.map(({ column }) => column), ...more.map(([name]) => name)]);
    const values = [...compared.map(value), ...more.map(([, expression]) => expression)];
    const { column, target } = ownColumn(fields)!;
    const of = target ?? catalog;
    const own = `x.${column}`;
    const name = identities[catalog] ?? nameOf(of, own);
    const conditions = [filters[catalog] ?? `${own} >= 16384`, isVisible(`'${of}'::regclass`, own)];
    selects.push(
      `select '${catalog}' as catalog, ${name} as name, ${owners[catalog] ?? "null"} as of, ` +
        `array[${values.join(",\n")}]::text[] as row\nfrom ${
          sources[catalog] ?? catalog
        } x\nwhere ${conditions.join(" and ")}`,
    );
  }
  return { text: new Statement([around(selects)], []), columns };
}

/** One statement: a snapshot of its own, safe through a pooler and on a replica. */
function around(selects: string[]): string {
  const internal = bookkeeping.map((name) => `'${name}'`).join(", ");
  return `
settings as materialized (
  select set_config('search_path', '', true), set_config('timezone', 'UTC', true),
    set_config('datestyle', 'ISO, YMD', true), set_config('intervalstyle', 'postgres', true),
    set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true),
    set_config('quote_all_identifiers', 'off', true)
),
${home},
extended as materialized (select objid from pg_depend where deptype = 'x'),
hidden as (
  select classid, objid from pg_depend
  where deptype = 'e' or deptype = 'i' and classid in ('pg_proc'::regclass, 'pg_cast'::regclass)
  union
  select 'pg_class'::regclass, oid from pg_class where relname in (${internal})
  union
  select 'pg_proc'::regclass, oid from pg_proc where proname in (${internal})
  union
  -- With what is hidden goes what came with it: its indexes, constraints, types, sequences.
  select d.classid, d.objid from hidden h
  join pg_depend d on d.refclassid = h.classid and d.refobjid = h.objid
    and d.deptype in ('a', 'i', 'P', 'S') and d.objid >= 16384
)
select (
  select json_agg(json_build_array(catalog, name, of, row))
  from (${selects.join("\nunion all\n")}) as all_rows
) as rows
from settings
`;
}

function isVisible(catalog: string, oid: string): string {
  return `not exists (select from hidden h where h.classid = ${catalog} and h.objid = ${oid})`;
}

/**
 * A value as text that means the same in another database. Where there is nothing to look up,
 * nothing is looked up: most lists are empty, and this runs for every row of every state.
 */
function value(column: CatalogColumn): string {
  const own = printed[`${column.catalog}.${column.column}`];
  if (own) return own;
  const text = looked(column);
  const field = `x.${column.column}`;
  if (/vector$/.test(column.type)) return `case when ${field}::text <> '' then ${text} end`;
  return text.startsWith("(") ? `case when ${field} is not null then ${text} end` : text;
}

function looked({ column, type, target, relation }: CatalogColumn): string {
  const field = `x.${column}`;
  if (relation) return columnNames(`x.${relation}`, field, type);
  if (target && /\[\]$|vector$/.test(type)) {
    return `(select string_agg(${
      nameOf(target, "e")
    }, ', ' order by n) from unnest(${field}) with ordinality u(e, n))`;
  }
  if (target) return nameOf(target, field);
  if (/(options|config|tags)$/.test(column)) return optionText(column, field);
  return `${field}::text`;
}

/** Options in the order of their names, without those that a server keeps for itself. */
function optionText(column: string, field: string): string {
  const known = "split_part(o, '=', 1) not in (select name from ignored)";
  const own = /^(rel|att)options$/.test(column)
    ? ` where o !~ '^pg_' and ${known}`
    : column === "proconfig"
    ? ` where ${known}`
    : "";
  return `(select string_agg(o, ', ' order by o) from unnest(${field}) o${own})`;
}

/** The names of columns that are kept as numbers. */
function columnNames(relation: string, field: string, type: string): string {
  if (!/\[\]$|vector$/.test(type)) {
    return `(select quote_ident(attname) from pg_attribute where attrelid = ${relation} and attnum = ${field})`;
  }
  return `(select string_agg(coalesce((select quote_ident(attname) from pg_attribute
      where attrelid = ${relation} and attnum = e), '(expression)'), ', ' order by n)
    from unnest(${field}) with ordinality u(e, n))`;
}

/** The name of what a number stands for; null for none. */
function nameOf(catalog: string, oid: string): string {
  switch (catalog) {
    case "pg_class":
      return `nullif(${oid}, 0)::regclass::text`;
    case "pg_type":
      return `format_type(nullif(${oid}, 0), null)`;
    case "pg_proc":
      return `nullif(${oid}::oid, 0)::regprocedure::text`;
    case "pg_operator":
      return `nullif(${oid}::oid, 0)::regoperator::text`;
    case "pg_namespace":
      return `nullif(${oid}, 0)::regnamespace::text`;
    case "pg_collation":
      return `nullif(${oid}, 0)::regcollation::text`;
    case "pg_authid":
      return role(oid);
    default:
      return `(pg_identify_object('${catalog}'::regclass, nullif(${oid}, 0), 0)).identity`;
  }
}

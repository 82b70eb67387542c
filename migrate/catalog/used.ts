import { type Database, sql, Statement } from "../../postgres/mod.ts";
import { leftOutTables } from "./left_out.ts";

/**
 * The catalogs that have rows of users: most have none, and a query that names them all takes
 * several times as long to plan as the rest.
 */
export type Used = ReadonlySet<string>;

/** A column of pg_catalog, as PostgreSQL itself describes it. */
export interface CatalogColumn {
  catalog: string;
  column: string;
  type: string;
  /** The catalog that it points to. */
  target: string | null;
  /** It is the number of a column, and this holds its relation. */
  relation: string | null;
}

/** A part of a union, which has rows only where a catalog has rows of users. */
export interface Part {
  catalog: string;
  select: Statement;
}

/** Writes such a part. */
export function ifUsed(catalog: string) {
  return (...template: Parameters<typeof sql>): Part => ({ catalog, select: sql(...template) });
}

/** The union of the parts that may have rows; undefined: none may. */
export function union(parts: Part[], used: Used): Statement | undefined {
  const selects = parts.filter(({ catalog }) => used.has(catalog)).map(({ select }) => select);
  if (selects.length === 0) return undefined;
  const between = ["", ...selects.slice(1).map(() => "\n  union all"), ""];
  return sql(Object.assign(between, { raw: between }), ...selects);
}

/** What servers of one version have in common. */
interface Version {
  catalogs: Map<string, CatalogColumn[]>;
  /** Asks which catalogs are used. */
  used: Statement;
}

const versions = new Map<string, Version>();
const known = new WeakMap<Database, Version>();

/** The catalogs that are compared, by their name, with their columns. */
export async function readCatalogs(db: Database): Promise<Map<string, CatalogColumn[]>> {
  return (await versionOf(db)).catalogs;
}

/** Asks which catalogs are used. */
export async function readUsed(db: Database): Promise<Used> {
  const { used } = await versionOf(db);
  return new Set((await db.query<{ name: string }>(used)).map(({ name }) => name));
}

async function versionOf(db: Database): Promise<Version> {
  const before = known.get(db);
  if (before) return before;
  const [server] = await db.query<{ version: string }>(
    sql`select current_setting('server_version_num') as version`,
  );
  let version = versions.get(server!.version);
  if (!version) {
    const columns = (await readColumns(db)).filter(({ catalog }) => !leftOutTables[catalog]);
    const catalogs = Map.groupBy(columns, ({ catalog }) => catalog);
    const used = [...catalogs].map(([catalog, fields]) =>
      `select '${catalog}' as name where ${questions[catalog] ?? hasRows(catalog, fields)}`
    );
    version = { catalogs, used: new Statement([used.join("\nunion all\n")], []) };
    versions.set(server!.version, version);
  }
  known.set(db, version);
  return version;
}

/** What is a user's has a number from 16384 on. */
function hasRows(catalog: string, fields: CatalogColumn[]): string {
  return `exists (select from ${catalog} where ${ownColumn(fields)!.column} >= 16384)`;
}

const numbered = (catalog: string, column = "oid") =>
  `exists (select from ${catalog} where ${column} >= 16384)`;

/** Where the number of the row, or of what it is a part of, does not tell. */
const questions: Record<string, string> = {
  pg_description: `${numbered("pg_description", "objoid")} or exists (
    select from pg_namespace where nspname = 'public'
      and obj_description(oid, 'pg_namespace') is distinct from 'standard public schema')`,
  pg_extension: "exists (select from pg_extension where extname <> 'plpgsql')",
  pg_namespace: "true",
  pg_seclabel: numbered("pg_seclabel", "objoid"),
  // Not everybody may read it.
  pg_user_mapping: numbered("pg_foreign_server"),
};

/** The column whose number tells whether a row is a user's: its own, or what it is a part of. */
export function ownColumn(fields: CatalogColumn[]): CatalogColumn | undefined {
  return fields.find(({ column }) => column === "oid") ??
    fields.find(({ target }) => target !== null && target !== "pg_authid");
}

/** The columns of pg_catalog's tables, with what they point to. */
export async function readColumns(db: Database): Promise<CatalogColumn[]> {
  return await db.query<CatalogColumn>(sql`
    select c.relname as catalog, a.attname as column, format_type(a.atttypid, null) as type,
      f.pktable::regclass::text as target,
      case when cardinality(f.fkcols) = 2 then f.fkcols[1] end as relation
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_get_catalog_foreign_keys() f
      on f.fktable = c.oid and f.fkcols[cardinality(f.fkcols)] = a.attname
    where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind = 'r'
    order by c.relname, a.attnum
  `);
}

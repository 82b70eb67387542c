import { type Database, sql } from "../../postgres/mod.ts";
import { type Bounds, readBounds } from "./bounds.ts";
import { columnsOf } from "./expressions.ts";

/** Why a resource cannot be written, and what to do. */
export class ResourceError extends Error {
  override name = "ResourceError";
}

/** A column that callers see and write. */
export interface Column {
  name: string;
  /** As PostgreSQL calls it: `integer`. */
  type: string;
  nullable: boolean;
  /** The default as PostgreSQL writes it, such as `false`. */
  default: string | undefined;
  /** What its own checks allow. */
  bounds: Bounds;
  /** The table of the same owner that it refers to. */
  references: string | undefined;
}

/** A promise of the schema that a caller can break, and that needs a meaning in the API. */
export interface Constraint {
  name: string;
  kind: "reference" | "unique" | "exclusion" | "check";
  /** Its columns, without owner_id. */
  columns: string[];
  references: string | undefined;
}

/** What a resource is made of: a table as the migrations build it. */
export interface Table {
  name: string;
  columns: Column[];
  constraints: Constraint[];
  /** Columns with an index (owner_id, column, id), and a type that a cursor can hold. */
  sorted: string[];
  /** Columns of references with such an index: a list can be filtered by them. */
  filtered: string[];
  /** A trigger counts the version, so rows may change. */
  changes: boolean;
  /** Columns that PostgreSQL computes. Callers cannot write them; the resource leaves them out. */
  generated: string[];
}

/** What every row has beside its own columns; callers do not write them. */
const common = ["id", "owner_id", "created_at", "updated_at", "version"];

/** The types of a cursor; db/_page.ts reads them back. */
export const cursorTypes: Record<string, string> = {
  text: "text",
  integer: "integer",
  date: "date",
  "timestamp with time zone": "timestamptz",
};

interface RawColumn {
  name: string;
  type: string;
  nullable: boolean;
  default: string | null;
  generated: boolean;
}

interface RawConstraint {
  name: string;
  type: "c" | "f" | "u" | "x";
  /** Of a unique or exclusion constraint, and of a unique index: expressions of columns. */
  columns: string[];
  definition: string;
  target: string | null;
  target_columns: string[] | null;
}

/** Reads a table of the schema. Throws a ResourceError that says what it lacks. */
export async function readTable(db: Database, name: string): Promise<Table> {
  const columns = await db.query<RawColumn>(sql`
    select
      a.attname as name, format_type(a.atttypid, null) as type, not a.attnotnull as nullable,
      pg_get_expr(d.adbin, d.adrelid) as default, a.attgenerated <> '' as generated
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where c.oid = to_regclass(quote_ident(${name})) and a.attnum > 0 and not a.attisdropped
    order by a.attnum`);
  if (columns.length === 0) {
    throw new ResourceError(
      `db/schema.sql has no table ${name}: write it there, then \`deno task db diff create_${name}\``,
    );
  }
  const missing = common.filter((column) => !columns.some((c) => c.name === column));
  if (missing.length > 0) {
    throw new ResourceError(
      `${name} lacks ${missing.join(", ")}, which every resource has: db/schema.sql shows students`,
    );
  }
  const sources = await sourcesOf(columns);
  const constraints = await readConstraints(db, name, sources);
  const { bounds, wholly } = await readBounds(
    constraints.filter(({ type, columns }) => type === "c" && columns.length === 1)
      .map(({ name, columns, definition }) => ({ name, column: columns[0]!, definition })),
  );
  const references = new Map(constraints.filter(isReference).map((c) => [own(c)[0]!, c.target!]));
  const indexed = await readIndexed(db, name);
  const given = columns.filter(({ name }) => !common.includes(name) && !sources.has(name))
    .map(({ name, type, nullable, default: written }) => ({
      name,
      type,
      nullable,
      default: written ?? undefined,
      bounds: bounds.get(name) ?? {},
      references: references.get(name),
    }));
  return {
    name,
    columns: given,
    constraints: constraints.filter(({ name }) => !wholly.includes(name)).flatMap(meaning),
    sorted: [...given, ...columns.filter((c) => c.name === "updated_at")]
      .filter((c) => !c.nullable && c.type in cursorTypes && indexed.includes(c.name))
      .map((c) => c.name),
    filtered: [...references.keys()].filter((column) => indexed.includes(column)),
    changes: await countsVersions(db, name),
    generated: [...sources.keys()],
  };
}

/** The columns that PostgreSQL computes, and those that it computes them from. */
async function sourcesOf(columns: RawColumn[]): Promise<Map<string, string[]>> {
  const sources = new Map<string, string[]>();
  for (const { name, generated, default: written } of columns) {
    if (generated) sources.set(name, await columnsOf(written!));
  }
  return sources;
}

/** What a caller breaks in a computed column is broken in those that it is computed from. */
async function readConstraints(
  db: Database,
  table: string,
  sources: Map<string, string[]>,
): Promise<RawConstraint[]> {
  const rows = await db.query<RawConstraint>(sql`
    select
      conname as name, contype::text as type,
      -- A check's columns in the order of the table, not in that of its text.
      (select array_to_json(array_agg(attname order by case when contype = 'c' then number else n end))
       from unnest(conkey) with ordinality k (number, n)
       join pg_attribute on attrelid = conrelid and attnum = number) as columns,
      pg_get_constraintdef(oid) as definition,
      confrelid::regclass::text as target,
      (select array_to_json(array_agg(attname order by n))
       from unnest(confkey) with ordinality k (number, n)
       join pg_attribute on attrelid = confrelid and attnum = number) as target_columns
    from pg_constraint
    where conrelid = to_regclass(quote_ident(${table})) and contype in ('c', 'f')
    union all
    -- A unique index is broken under its own name, be it a constraint's or not.
    select
      relname, case when indisexclusion then 'x' else 'u' end,
      (select array_to_json(array_agg(pg_get_indexdef(indexrelid, n, false) order by n))
       from generate_series(1, indnkeyatts::integer) n),
      pg_get_indexdef(indexrelid), null, null
    from pg_index
    join pg_class on pg_class.oid = indexrelid
    where indrelid = to_regclass(quote_ident(${table})) and not indisprimary
      and (indisunique or indisexclusion)
    order by name`);
  return await Promise.all(rows.map(async ({ columns, ...row }) => {
    const named = row.type === "u" || row.type === "x"
      ? await columnsOf(columns.join(", "))
      : columns ?? [];
    const given = named.flatMap((column) => sources.get(column) ?? [column]);
    return { ...row, columns: [...new Set(given)] };
  }));
}

/** A foreign key (owner_id, column) to (owner_id, id): the row of the same owner. */
function isReference({ type, columns, target_columns }: RawConstraint): boolean {
  return type === "f" && columns.length === 2 && columns[0] === "owner_id" &&
    target_columns?.join() === "owner_id,id";
}

function own({ columns }: RawConstraint): string[] {
  return columns.filter((column) => column !== "owner_id");
}

/** What a caller can break of it; an owner's key nobody can. */
function meaning(constraint: RawConstraint): Constraint[] {
  const { name, type, definition } = constraint;
  const columns = own(constraint);
  if (columns.length === 0 || columns.join() === "id") return [];
  if (type === "f") {
    if (!isReference(constraint)) {
      throw new ResourceError(
        `${name} refers to ${constraint.target} by ${
          columns.join(", ")
        }: a resource refers to rows of ` +
          "the same owner, by `foreign key (owner_id, column) references table (owner_id, id)`",
      );
    }
    if (!/ ON DELETE (CASCADE|SET NULL \()/.test(definition)) {
      throw new ResourceError(
        `${name} does not let a row of ${constraint.target} go that is referred to, which DELETE has ` +
          `no answer for: add \`on delete cascade\`, or \`on delete set null (${columns[0]})\``,
      );
    }
    return [{ name, kind: "reference", columns, references: constraint.target! }];
  }
  const kind = type === "c" ? "check" : type === "u" ? "unique" : "exclusion";
  return [{ name, kind, columns, references: undefined }];
}

/** The columns of complete b-tree indexes (owner_id, column, id). */
async function readIndexed(db: Database, table: string): Promise<string[]> {
  const rows = await db.query<{ name: string }>(sql`
    select distinct second.attname as name
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_am on pg_am.oid = c.relam and amname = 'btree'
    join pg_attribute first on first.attrelid = indrelid and first.attnum = indkey[0]
    join pg_attribute second on second.attrelid = indrelid and second.attnum = indkey[1]
    join pg_attribute third on third.attrelid = indrelid and third.attnum = indkey[2]
    where indrelid = to_regclass(quote_ident(${table})) and indnkeyatts = 3
      and first.attname = 'owner_id' and third.attname = 'id'
      and (indpred is null or pg_get_expr(indpred, indrelid) = format('(%I IS NOT NULL)', second.attname))
    order by 1`);
  return rows.map(({ name }) => name);
}

/** Whether the trigger of db/schema.sql counts the version of a row that changes. */
async function countsVersions(db: Database, table: string): Promise<boolean> {
  const rows = await db.query(sql`
    select from pg_trigger
    where tgrelid = to_regclass(quote_ident(${table})) and tgfoid = to_regproc('touch_row')`);
  return rows.length > 0;
}

import { type Database, DatabaseError, sql } from "../../postgres/mod.ts";
import { readDefinitions } from "./definitions.ts";
import { type CatalogRow, readRows } from "./rows.ts";
import { compareRows, describeRows, type Difference, type RowDifference } from "./compare.ts";
import { sqlPattern } from "../files/sql_text.ts";
import type { Catalog } from "./catalog.ts";

/**
 * What still differs once one server has printed both. PostgreSQL's own text of an expression
 * is no fixed point (a check on varchar by `in (…)` comes back with other casts, and then stays), and
 * each version prints some of them in its own way. `db` is a session on a scratch database in which
 * the tables of one of the two are; nothing stays there.
 */
export async function compareNormalized(
  db: Database,
  expected: Catalog,
  found: Catalog,
): Promise<Difference[]> {
  const { left } = await parted(db, compareRows(expected.rows, found.rows));
  return describeRows(left, expected, found);
}

/** The names of what differs only until one server has printed both; `db` as above. */
export async function equalInMeaning(
  db: Database,
  expected: CatalogRow[],
  found: CatalogRow[],
): Promise<Set<string>> {
  const { left, same } = await parted(db, compareRows(expected, found));
  const others = new Set(left.map((row) => (row.expected ?? row.found)!.name));
  return new Set(same.map((row) => row.expected!.name).filter((name) => !others.has(name)));
}

/** Differing rows, with the columns that really do, and those that mean the same on both sides. */
async function parted(db: Database, rows: RowDifference[]) {
  const left: RowDifference[] = [], same: RowDifference[] = [];
  for (const row of rows) {
    const columns = [];
    for (const column of row.columns) if (!await means(db, row, column)) columns.push(column);
    if (!row.expected || !row.found || columns.length > 0) left.push({ ...row, columns });
    else same.push(row);
  }
  return { left, same };
}

/**
 * What `found` has otherwise than `expected`, a database or what was read of one, both printed by `db`.
 * Definitions cost more than rows, so they are only read to tell a difference.
 */
export async function compareDatabases(
  db: Database,
  expected: Database | Catalog,
  found: Database,
): Promise<Difference[]> {
  const rows = "rows" in expected ? expected.rows : await readRows(expected);
  const others = await readRows(found);
  if (compareRows(rows, others).length === 0) return [];
  return await compareNormalized(
    db,
    "rows" in expected ? expected : { definitions: await readDefinitions(expected), rows },
    { definitions: await readDefinitions(found), rows: others },
  );
}

/** Whether a difference may be one of the text alone. */
export function needsNormalizing({ rows }: Difference): boolean {
  return rows.some(({ expected, columns }) =>
    columns.some((column) => `${expected?.catalog}.${column}` in parsings)
  );
}

/** Whether a value that differs means the same. */
async function means(db: Database, row: RowDifference, column: string): Promise<boolean> {
  const { expected, found } = row;
  const [a, b] = [expected?.values[column], found?.values[column]];
  if (!expected || !found || typeof a !== "string" || typeof b !== "string") return false;
  const again = parsings[`${expected.catalog}.${column}`];
  if (!again) return false;
  const [x, y] = [await printed(db, again, expected, a), await printed(db, again, expected, b)];
  return x !== undefined && x === y;
}

/** How a text is parsed: a query whose text, as a view's, is that of the expression. */
type Parsing = (row: CatalogRow, text: string) => string;

const inTable: Parsing = ({ of }, text) => `select ${text} from ${of}`;
const alone: Parsing = (_, text) => `select ${text}`;

const parsings: Record<string, Parsing> = {
  "pg_attrdef.adbin": inTable,
  "pg_constraint.conbin": ({ of, values }, text) =>
    of
      ? `select ${text} from ${of}`
      : `select ${text} from (select null::${values.contypid} as value) d`,
  "pg_index.indexprs": inTable,
  "pg_index.indpred": inTable,
  "pg_partitioned_table.partexprs": inTable,
  "pg_policy.polqual": inTable,
  "pg_policy.polwithcheck": inTable,
  "pg_proc.proargdefaults": alone,
  "pg_publication_rel.prqual": ({ values }, text) => `select ${text} from ${values.prrelid}`,
  "pg_rewrite.ev_action": (_, text) => text,
  "pg_statistic_ext.stxexprs": inTable,
  "pg_trigger.tgqual": ({ of }, text) => `select ${text} from ${of} old, ${of} new`,
  "pg_type.typdefaultbin": alone,
};

/**
 * The text as it is printed for people: `a and (b and c)` without its parentheses, which a schema.sql
 * or a dump does not have either, so that it comes back as another tree of one meaning.
 */
async function printed(
  db: Database,
  parsing: Parsing,
  row: CatalogRow,
  text: string,
): Promise<string | undefined> {
  const rule = sqlPattern("^CREATE RULE (<name>) AS").exec(text);
  const statement = rule
    ? text.replace(rule[0], "create rule printed_again as")
    : `create view pg_temp.printed_again as ${parsing(row, text).replace(/;\s*$/, "")}`;
  await db.script("begin; set local search_path to ''");
  try {
    await db.script(statement);
    const [again] = await db.query<{ text: string }>(
      rule
        ? sql`select pg_get_ruledef(oid, true) as text from pg_rewrite where rulename = 'printed_again'`
        : sql`select pg_get_viewdef('pg_temp.printed_again'::regclass, true) as text`,
    );
    return again?.text;
  } catch (error) {
    if (error instanceof DatabaseError) return undefined;
    throw error;
  } finally {
    await db.script("rollback");
  }
}

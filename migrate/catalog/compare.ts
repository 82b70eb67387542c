import { lastName, listedNames } from "../files/sql_text.ts";
import { inPlainWords } from "./words.ts";
import type { CatalogObject } from "./definitions.ts";
import type { CatalogRow } from "./rows.ts";

/** What a database has: the rows decide whether two are equal, the definitions tell it to people. */
export interface Catalog {
  definitions: CatalogObject[];
  rows: CatalogRow[];
}

export interface Difference {
  /** As a definition's, else the catalog that has it: `pg_operator`. */
  kind: string;
  name: string;
  /** The definition on the one side and the other; undefined where it does not exist. */
  expected?: string;
  found?: string;
  /** The statements that take the one and the other away, where they are told. */
  undo?: { expected?: string | null; found?: string | null };
  /** What of it is in the catalogs. */
  rows: RowDifference[];
}

/** A row that one side has, or has otherwise. */
export interface RowDifference {
  expected?: CatalogRow;
  found?: CatalogRow;
  /** The names of the values that differ. */
  columns: string[];
}

/**
 * What `found` has otherwise than `expected`: nothing where the schemas are equal. Rows decide;
 * where definitions tell the same difference, they stand for them, since people read them.
 */
export function compareCatalogs(expected: Catalog, found: Catalog): Difference[] {
  return describeRows(compareRows(expected.rows, found.rows), expected, found);
}

/** The rows that differ. Of servers of two versions, only what both keep is compared. */
export function compareRows(expected: CatalogRow[], found: CatalogRow[]): RowDifference[] {
  const key = ({ catalog, name }: CatalogRow) => `${catalog} ${name}`;
  const [left, right] = [expected, found].map((rows) => new Map(rows.map((r) => [key(r), r])));
  const differences: RowDifference[] = [];
  for (const name of [...new Set([...left!.keys(), ...right!.keys()])].sort()) {
    const [a, b] = [left!.get(name), right!.get(name)];
    const columns = a && b
      ? Object.keys(a.values).filter((c) => c in b.values && !equal(c, a.values[c]!, b.values[c]!))
      : [];
    if (a === undefined || b === undefined || columns.length > 0) {
      differences.push({ expected: a, found: b, columns });
    }
  }
  return differences;
}

function equal(column: string, a: string | null, b: string | null): boolean {
  return a === b || unixEnds(a) === unixEnds(b) ||
    column === "column order" && !reordered(a ?? "", b ?? "");
}

/** A file with Windows line ends leaves them in comments and in strings. */
const unixEnds = (text: string | null) => text?.replaceAll("\r\n", "\n");

/** Whether columns that both have stand in another order; a new or lost one is a difference of its own. */
function reordered(a: string, b: string): boolean {
  const [left, right] = [listedNames(a), listedNames(b)];
  const common = left.filter((column) => right.includes(column));
  return common.join() !== right.filter((column) => left.includes(column)).join();
}

/** Differences of rows as people read them: by definitions, as far as these cover them. */
export function describeRows(
  rows: RowDifference[],
  expected: Catalog,
  found: Catalog,
): Difference[] {
  const orders = rows.filter(isOrder).map((row) => ordered(row));
  let left = rows.map((row) => ({
    ...row,
    columns: row.columns.filter((column) => column !== "column order"),
  })).filter(({ expected, found, columns }) => !expected || !found || columns.length > 0);
  const definitions: DefinitionDifference[] = [];
  for (const difference of compareDefinitions(expected.definitions, found.definitions)) {
    const covered = left.filter((row) => covers(difference, row));
    if (covered.length > 0) definitions.push({ ...difference, rows: covered });
  }
  const covered = new Set(definitions.flatMap(({ rows }) => rows));
  // With a table, all that is in it comes or goes: its name says it.
  const whole = new Set(
    definitions.filter((d) => d.kind === "table" && isOneSided(d)).map((d) => d.name),
  );
  left = left.filter((row) => !covered.has(row));
  return [
    ...definitions.filter((d) => d.kind === "table" || !whole.has(d.of ?? "")),
    ...left.filter((row) => !whole.has((row.expected ?? row.found)!.of ?? "")).map(asDifference),
    ...orders,
  ].sort((a, b) => `${a.kind} ${a.name}` < `${b.kind} ${b.name}` ? -1 : 1);
}

const isOrder = ({ columns }: RowDifference) => columns.includes("column order");
const isOneSided = (d: { expected?: unknown; found?: unknown }) =>
  d.expected === undefined || d.found === undefined;

function ordered({ expected, found }: RowDifference): Difference {
  return {
    kind: "column order",
    name: expected!.name,
    expected: expected!.values["column order"] ?? "",
    found: found!.values["column order"] ?? "",
    rows: [],
  };
}

function asDifference(row: RowDifference): Difference {
  const { expected, found, columns } = row;
  const { catalog, name, values } = (expected ?? found)!;
  const shown = columns.length > 0 ? columns : Object.keys(values);
  const text = (side?: CatalogRow) =>
    side && shown.filter((c) => columns.length > 0 || side.values[c] !== null)
      .map((c) => `${c} ${side.values[c] ?? "none"}`).join(", ");
  return { kind: catalog, name, expected: text(expected), found: text(found), rows: [row] };
}

type DefinitionDifference = Difference & { of: string | null };

function compareDefinitions(
  expected: CatalogObject[],
  found: CatalogObject[],
): DefinitionDifference[] {
  const key = ({ kind, name }: CatalogObject) => `${kind} ${name}`;
  const [left, right] = [expected, found].map((all) => new Map(all.map((o) => [key(o), o])));
  return [...new Set([...left!.keys(), ...right!.keys()])].flatMap((name) => {
    const [a, b] = [left!.get(name), right!.get(name)];
    if (a?.ddl === b?.ddl || (a ?? b)!.kind === "column order") return [];
    const { kind, name: own, of } = (a ?? b)!;
    const undo = { expected: a?.undo, found: b?.undo };
    return [{ kind, name: own, of, expected: a?.ddl, found: b?.ddl, undo, rows: [] }];
  });
}

/** Whether a difference of definitions tells that of a row. */
function covers(
  difference: DefinitionDifference,
  { expected, found, columns }: RowDifference,
): boolean {
  const { name, of } = (expected ?? found)!;
  const { kind } = difference;
  if (kind === "grant") {
    const only = columns.length === 0 || columns.every((column) => column.endsWith("acl"));
    return only &&
      (difference.of === name || difference.of === of || difference.name.includes(name));
  }
  const n = difference.name;
  if (name === n || name.startsWith(`${n} `) || n.startsWith(`${name} `)) return true;
  if (isOneSided(difference) || /^(type|domain)$/.test(kind)) {
    if (name.startsWith(`${n}.`) || of === n) return true;
  }
  if (kind === "index" && of === n) return true;
  if (columns.includes("indisreplident") && n === `${of} replica identity`) return true;
  // Of a key, its index.
  if (kind === "constraint" && difference.of !== null) {
    const table = difference.of;
    const schema = table.slice(0, -lastName(table).length);
    const index = `${schema}${n.slice(table.length + 1)}`;
    if (name === index || of === index) return true;
  }
  if (kind === "publication" && name.endsWith(` in publication ${n}`)) return true;
  const owned = (expected ?? found)!.values["owned by"];
  return owned === n;
}

/** The differences as lines: what is missing, what is too much, what is otherwise. */
export function describeDifferences(
  differences: Difference[],
  names: { expected: string; found: string } = { expected: "expected", found: "found" },
): string {
  return differences.map((difference) => {
    const { expected, found } = difference;
    const name = inPlainWords(difference);
    if (found === undefined) {
      return `- ${name}\n    only in ${names.expected}: ${brief(expected!)}`;
    }
    if (expected === undefined) {
      return `+ ${name}\n    only in ${names.found}: ${brief(found)}`;
    }
    const width = Math.max(names.expected.length, names.found.length) + 1;
    return `~ ${name}\n    ${`${names.expected}:`.padEnd(width)} ${brief(expected)}\n` +
      `    ${`${names.found}:`.padEnd(width)} ${brief(found)}`;
  }).join("\n");
}

function brief(ddl: string): string {
  return ddl.replace(/\s*\n\s*/g, " ").trim();
}

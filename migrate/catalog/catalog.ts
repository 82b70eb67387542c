import type { Database } from "../../postgres/mod.ts";
import { bookkeeping } from "./bookkeeping.ts";
import { project } from "../project.ts";
import { withStatedOptions } from "./options.ts";
import { catalogQuery, type Writing } from "./query.ts";

/** One object of a database, as PostgreSQL writes it. */
export interface CatalogObject {
  kind: string;
  /** Its name with what it belongs to: `todos.due_date`. Unique within the kind. */
  name: string;
  /** The table, function or type that it is a part of, or itself; null: it stands alone. */
  of: string | null;
  /** `catalog:oid`, for the look-up of dependencies. Means nothing outside of its database. */
  id: string;
  /** Its definition: a column's or a constraint's is the clause, everything else's the statement. */
  ddl: string;
}

/**
 * Every object of a database, in the order of kind and name. Equal schemas give equal text, on each
 * PostgreSQL from 15 to 18. Reads only; one statement.
 */
export async function readCatalog(
  db: Database,
  writing: Partial<Writing> = {},
): Promise<CatalogObject[]> {
  const { serverRoles = [] } = project.config;
  const usual = { path: "", internal: bookkeeping, ignored: [], serverRoles };
  const query = catalogQuery({ ...usual, ...writing });
  const [row] = await db.query<{ objects: CatalogObject[] | null }>(query);
  const objects = row?.objects ?? [];
  for (const object of objects) {
    // A file with Windows line ends leaves them in the bodies of functions.
    object.ddl = object.ddl.replaceAll("\r\n", "\n");
    if (object.kind !== "index" && object.kind !== "constraint") continue;
    object.ddl = withStatedOptions(object.ddl, writing.ignored);
  }
  const views = objects.filter(({ kind }) => kind.endsWith("view"));
  if (views.length > 0) {
    const { unqualifyView } = await import("./view_text.ts");
    for (const view of views) view.ddl = await unqualifyView(view.ddl);
  }
  return objects;
}

export interface Difference {
  kind: string;
  name: string;
  /** The definition on the one side and the other; undefined where it does not exist. */
  expected?: string;
  found?: string;
}

/** What `found` has otherwise than `expected`: nothing where the schemas are equal. */
export function compareCatalogs(expected: CatalogObject[], found: CatalogObject[]): Difference[] {
  const left = new Map(expected.map((object) => [key(object), object]));
  const right = new Map(found.map((object) => [key(object), object]));
  const differences: Difference[] = [];
  for (const name of [...new Set([...left.keys(), ...right.keys()])].sort()) {
    const [a, b] = [left.get(name), right.get(name)];
    if (a?.ddl === b?.ddl) continue;
    const difference = {
      kind: (a ?? b)!.kind,
      name: (a ?? b)!.name,
      expected: a?.ddl,
      found: b?.ddl,
    };
    if (difference.kind !== "column order" || reordered(a?.ddl, b?.ddl)) {
      differences.push(difference);
    }
  }
  // With a table, all that is in it comes or goes: its name says it.
  const whole = new Set(
    differences.filter((d) =>
      d.kind === "table" && !(d.expected !== undefined && d.found !== undefined)
    )
      .map((d) => d.name),
  );
  const owner = new Map([...expected, ...found].map((object) => [key(object), object.of]));
  return differences.filter((d) => d.kind === "table" || !whole.has(owner.get(key(d)) ?? ""));
}

/** The differences as lines: what is missing, what is too much, what is otherwise. */
export function describeDifferences(
  differences: Difference[],
  sides: { expected: string; found: string } = { expected: "expected", found: "found" },
): string {
  return differences.map(({ kind, name, expected, found }) => {
    if (found === undefined) {
      return `- ${kind} ${name}\n    only in ${sides.expected}: ${brief(expected!)}`;
    }
    if (expected === undefined) {
      return `+ ${kind} ${name}\n    only in ${sides.found}: ${brief(found)}`;
    }
    const width = Math.max(sides.expected.length, sides.found.length) + 1;
    return `~ ${kind} ${name}\n    ${`${sides.expected}:`.padEnd(width)} ${brief(expected)}\n` +
      `    ${`${sides.found}:`.padEnd(width)} ${brief(found)}`;
  }).join("\n");
}

function key({ kind, name }: { kind: string; name: string }): string {
  return `${kind} ${name}`;
}

/** Whether columns that both have stand in another order; a new or lost one is told by itself. */
function reordered(a = "", b = ""): boolean {
  const [left, right] = [a.split(", "), b.split(", ")];
  const common = left.filter((column) => right.includes(column));
  return common.join() !== right.filter((column) => left.includes(column)).join();
}

function brief(ddl: string): string {
  return ddl.replace(/\s*\n\s*/g, " ").trim();
}

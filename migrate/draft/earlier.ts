import type { CatalogObject } from "../catalog/definitions.ts";
import { outsideQuotes } from "../files/sql_text.ts";

/** The schema that statements start from, as seen from among them: they make things, and rename some. */
export interface Earlier {
  objects: CatalogObject[];
  /** Words that are no names without quotes. */
  keywords: Set<string>;
  /** Tables, `table.column` and functions that were not there: they hold nothing, or a default. */
  made: Set<string>;
  /** What a table, or `table.column`, was called. */
  renamed: Map<string, string>;
}

interface Relation {
  schemaname?: string;
  relname: string;
}

export function quoted({ keywords }: Earlier, name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) && !keywords.has(name)
    ? name
    : `"${name.replaceAll('"', '""')}"`;
}

/** The name of a table as it is now. */
export function named(earlier: Earlier, { schemaname, relname }: Relation): string {
  const schema = schemaname === "public" ? undefined : schemaname;
  return [schema, relname].flatMap((part) => part === undefined ? [] : quoted(earlier, part))
    .join(".");
}

/** The name that a table had. */
export function tableOf(earlier: Earlier, relation: Relation): string {
  const name = named(earlier, relation);
  return earlier.renamed.get(name) ?? name;
}

/** The name that a column of a table had. */
export function columnOf(earlier: Earlier, table: string, column: string): string {
  const name = quoted(earlier, column);
  return earlier.renamed.get(`${table}.${name}`) ?? name;
}

/** A column's definition, "" where it has none. */
export function definitionOf(objects: CatalogObject[], name: string): string {
  return objects.find((o) =>
    o.kind === "column" && (o.name === name || o.name === `public.${name}`)
  )?.ddl ?? "";
}

/**
 * An expression as it could have been asked before; undefined: it is about what was not there.
 * `tree` is what the parser makes of it.
 */
export function expressionOf(
  earlier: Earlier,
  table: string,
  text: string,
  tree: unknown,
  names = new Map<string, string>(),
): string | undefined {
  for (const [kind, name] of namesIn(tree)) {
    const now = quoted(earlier, name);
    if (earlier.made.has(kind === "FuncCall" ? `${now}()` : `${table}.${now}`)) return;
    const was = names.get(name) ?? columnOf(earlier, table, name);
    if (kind === "FuncCall" || was === now) continue;
    if (now.startsWith('"')) return;
    text = outsideQuotes(
      text,
      (part) => part.replace(new RegExp(`(?<!\\w)${now}(?!\\w)`, "gi"), () => was),
    );
  }
  return text;
}

/** The columns and functions that a parse tree names. */
function namesIn(tree: unknown): [kind: string, name: string][] {
  if (typeof tree !== "object" || tree === null) return [];
  return Object.entries(tree).flatMap(([key, value]) => {
    const parts: { String?: { sval: string } }[] =
      (key === "ColumnRef" ? value.fields : key === "FuncCall" ? value.funcname : undefined) ?? [];
    const name = parts.at(-1)?.String?.sval;
    const own: [string, string][] = name === undefined ? [] : [[key, name]];
    return [...own, ...namesIn(value)];
  });
}

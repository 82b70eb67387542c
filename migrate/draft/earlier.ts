import type { CatalogObject } from "../catalog/definitions.ts";
import { outsideQuotes } from "../files/sql_text.ts";

/** The schema that statements start from, as seen from among them: they make things, and rename some. */
export interface Earlier {
  objects: CatalogObject[];
  /** Words that are no names without quotes. */
  keywords: Set<string>;
  /**
   * What was not there: tables and `table.column`, which hold nothing or a default, `function()`,
   * `type::` and the 'values' of enums.
   */
  made: Set<string>;
  /** Each `table.column` that gets a type of which expressions are others. */
  retyped: Set<string>;
  /** What a table, or `table.column`, was called. */
  renamed: Map<string, string>;
}

interface Relation {
  schemaname?: string;
  relname: string;
}

export function quoted({ keywords }: Earlier, name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !keywords.has(name)
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
    const column = `${table}.${now}`;
    if (kind !== "ColumnRef") {
      const key = { FuncCall: `${now}()`, typeName: `${now}::`, A_Const: asText(name) }[kind];
      if (earlier.made.has(key)) return;
      continue;
    }
    if (earlier.made.has(column) || earlier.retyped.has(column)) return;
    const was = names.get(name) ?? columnOf(earlier, table, name);
    if (was === now) continue;
    if (now.startsWith('"')) return;
    text = outsideQuotes(
      text,
      (part) =>
        part.replace(new RegExp(`(?<![\\w$])${RegExp.escape(now)}(?![\\w$])`, "gi"), () => was),
    );
  }
  return text;
}

type Named = "ColumnRef" | "FuncCall" | "typeName" | "A_Const";

/** The columns, functions, types and texts that a parse tree names. */
function namesIn(tree: unknown): [kind: Named, name: string][] {
  if (typeof tree !== "object" || tree === null) return [];
  return Object.entries(tree).flatMap(([key, value]) => {
    const parts = {
      ColumnRef: value?.fields,
      FuncCall: value?.funcname,
      typeName: value?.names,
      A_Const: [{ String: value?.sval }],
    }[key];
    const name: string | undefined = parts?.at(-1)?.String?.sval;
    const own: [Named, string][] = name === undefined ? [] : [[key as Named, name]];
    return [...own, ...namesIn(value)];
  });
}

export function asText(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

import type { CatalogObject } from "../catalog/definitions.ts";
import { addedOptions, bare, lastName, listedNames, sqlPattern } from "../files/sql_text.ts";

/** The columns of a table, those of its parents too: a foreign partition is attached with its own. */
function columnsOf(table: string, to: CatalogObject[]): string {
  const [order] = to.filter(({ kind, name }) =>
    kind === "column order" && bare(name) === bare(table)
  );
  const columns = to.filter(({ kind, of }) => kind === "column" && bare(of!) === bare(table));
  return listedNames(order?.ddl).flatMap((own) => {
    const column = columns.find(({ name }) => lastName(name) === own);
    return column ? `${own} ${column.ddl}` : [];
  }).join(", ");
}

/**
 * The creation of a table with what pg-delta leaves out of it: it knows one parent of a table and
 * none of a foreign one, and writes a placeholder for an option that might be a secret. A column's
 * options come later.
 */
export function asDefined(text: string, to: CatalogObject[]): string {
  const [, foreign, table] =
    sqlPattern(String.raw`^CREATE (?:UNLOGGED )?(FOREIGN )?TABLE (<path>)\s`).exec(text) ?? [];
  if (!table) return text;
  const ddl = (kind: string, name: string) =>
    to.find((object) => object.kind === kind && bare(object.name) === bare(name))?.ddl ?? "";
  const [, parents] =
    sqlPattern(String.raw` inherits \(((?:, |<path>)*)\)`).exec(ddl("table", table)) ?? [];
  if (!foreign) {
    return parents
      ? text.replace(
        sqlPattern(String.raw` INHERITS \((?:, |<path>)*\)`),
        () => ` INHERITS (${parents})`,
      )
      : text;
  }
  const options = addedOptions(ddl("setting", `${table} foreign options`));
  return text
    .replace(/ \(\s*\) SERVER /, () => ` (${columnsOf(table, to)}) SERVER `)
    .replaceAll(
      / OPTIONS \((?:[^()']|'(?:[^']|'')*')*\)/g,
      (list, place: number) =>
        !list.includes("'__OPTION_")
          ? list
          : place + list.length < text.length
          ? ""
          : ` OPTIONS ${options}`,
    )
    .replace(/\) SERVER /, () => parents ? `) INHERITS (${parents}) SERVER ` : ") SERVER ");
}

import type { CatalogObject } from "../catalog/definitions.ts";
import { bare, listedNames, sqlPattern, withoutQuotes } from "../files/sql_text.ts";
import type { DraftStatement } from "./delta.ts";

/**
 * A table that only gets or loses a parent would be dropped and made anew. It has to be where a
 * column of its own becomes the parent's alone: no other statement says so.
 */
export function withoutReplacedTables(
  statements: DraftStatement[],
  from: CatalogObject[],
  to: CatalogObject[],
): DraftStatement[] {
  const alone = (ddl: string) =>
    ddl.replace(sqlPattern(String.raw` inherits \((?:, |<path>)*\)`), "");
  const adopted = new Set(
    from.filter((a) =>
      a.kind === "table" &&
      to.some((b) =>
        b.kind === "table" && b.name === a.name && b.ddl !== a.ddl &&
        alone(b.ddl) === alone(a.ddl)
      ) && ownColumns(from, a.name).every((column) =>
        ownColumns(to, a.name).includes(column) || !allColumns(to, a.name).includes(column)
      )
    ).map(({ name }) => name),
  );
  const names = new Set([...adopted].map(bare));
  const rest = statements.filter(({ text }) => {
    const [, table, column] = sqlPattern(
      "^(?:DROP TABLE|CREATE TABLE|ALTER TABLE) (<path>)(?: ADD COLUMN (<name>) .*| .*|)$",
      "s",
    ).exec(text) ?? [];
    if (!table || !names.has(bare(table))) return true;
    if (/^(DROP|CREATE) /.test(text)) return false;
    return !column || columnOf(from, `${table}.${column}`) === undefined;
  });
  return [...rest, ...[...adopted].flatMap((table) => ownChanges(table, rest, from, to))];
}

/** The columns of a table that only its creation would have brought. */
function ownChanges(
  table: string,
  statements: DraftStatement[],
  from: CatalogObject[],
  to: CatalogObject[],
): DraftStatement[] {
  const said = (text: string) =>
    statements.some((statement) => bare(statement.text).startsWith(bare(text)));
  const statement = (text: string) => ({ text, endsTransaction: false, outside: false });
  const gone = ownColumns(from, table).filter((column) => !allColumns(to, table).includes(column))
    .map((column) => `ALTER TABLE ${table} DROP COLUMN ${column}`).filter((text) => !said(text));
  return ownColumns(to, table).flatMap((column) => {
    const [was, is] = [columnOf(from, `${table}.${column}`), columnOf(to, `${table}.${column}`)!];
    const text = was === undefined
      ? `ALTER TABLE ${table} ADD COLUMN ${column} ${is}`
      : `ALTER TABLE ${table} ALTER COLUMN ${column} TYPE ${typeOf(is)}`;
    const isInherited = was === undefined && allColumns(from, table).includes(column);
    const isAdded = said(text.slice(0, -is.length));
    return isInherited || (was === undefined ? isAdded : typeOf(was) === typeOf(is))
      ? []
      : [statement(text)];
  }).concat(gone.map(statement));
}

/** What a column's definition begins with: its type and collation. */
function typeOf(ddl: string): string {
  const rest = withoutQuotes(ddl).search(/ (?:not null|default |generated )/i);
  return rest < 0 ? ddl : ddl.slice(0, rest);
}

/** The columns that a table has by its own definition. */
function ownColumns(objects: CatalogObject[], table: string): string[] {
  return objects.filter(({ kind, of }) => kind === "column" && of === table)
    .map(({ name }) => name.slice(table.length + 1));
}

/** Those from its parents as well. */
function allColumns(objects: CatalogObject[], table: string): string[] {
  const order = objects.find(({ kind, of }) => kind === "column order" && of === table);
  return listedNames(order?.ddl);
}

/**
 * A column that is dropped and added again loses its values. Where only its type or collation
 * differs, `alter column type` keeps them.
 */
export function withoutReplacedColumns(
  statements: DraftStatement[],
  from: CatalogObject[],
  to: CatalogObject[],
): DraftStatement[] {
  const drop = (text: string) =>
    sqlPattern("^ALTER TABLE (<path>) DROP COLUMN (<name>)$").exec(text);
  const add = (text: string) =>
    sqlPattern("^ALTER TABLE (<path>) ADD COLUMN (<name>) ([^]+)$").exec(text);
  const kept = new Set<string>();
  const dropped = new Set(statements.flatMap(({ text }) => drop(text)?.slice(1).join(".") ?? []));
  const changed = statements.map((statement) => {
    const [, table, column, definition] = add(statement.text) ?? [];
    const name = `${table}.${column}`;
    if (!definition || !dropped.has(name)) return statement;
    const [a, b] = [columnOf(from, name), columnOf(to, name)];
    const rest = (ddl: string) => ddl.slice(typeOf(ddl).length);
    if (!a || !b || rest(a) !== rest(b) || / generated /.test(a)) return statement;
    kept.add(name);
    const type = typeOf(definition);
    return { ...statement, text: `ALTER TABLE ${table} ALTER COLUMN ${column} TYPE ${type}` };
  });
  return changed.filter(({ text }) => !kept.has(drop(text)?.slice(1).join(".") ?? ""));
}

/** The definition of a column. */
export function columnOf(objects: CatalogObject[], name: string): string | undefined {
  return objects.find((object) => object.kind === "column" && bare(object.name) === bare(name))
    ?.ddl;
}

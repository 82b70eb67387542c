import type { CatalogObject } from "../catalog/definitions.ts";
import { quoteName } from "../databases.ts";
import { bare, listedNames, namesOf, sqlPattern } from "../files/sql_text.ts";
import type { DraftStatement } from "./delta.ts";

/**
 * Where pg-delta drops a table and makes it anew, as one that becomes partitioned, or a part of
 * another, or neither any more, the rows are set aside and put back. Drop, creation and rows are one
 * statement for the search of an order: nothing may come between them. A row that the new table
 * does not take stops it.
 */
export function withKeptRows(
  statements: DraftStatement[],
  from: CatalogObject[],
  to: CatalogObject[],
): DraftStatement[] {
  const dropped = named(statements, sqlPattern("^DROP TABLE (<path>)$"));
  const created = named(
    statements,
    sqlPattern(String.raw`^CREATE (?:UNLOGGED )?TABLE (<path>)\s`),
  );
  let all = statements;
  for (const [table, made] of created) {
    const columns = common(table, from, to);
    if (!dropped.has(table) || columns.length === 0) continue;
    // Its partitions come and go with it; where it is one itself, with its parent.
    if (created.has(parentOf(table, to)!) && dropped.has(parentOf(table, from)!)) continue;
    const parts = (objects: CatalogObject[], within: Map<string, DraftStatement>) =>
      [...within].filter(([name]) => isWithin(name, table, objects)).map(([, part]) => part);
    const away = [...parts(from, dropped), dropped.get(table)!];
    const back = [
      made,
      ...statements.filter(({ text }) => text.startsWith(`ALTER TABLE ${table} ADD COLUMN `)),
      ...parts(to, created),
    ];
    const aside = quoteName(`rows of ${namesOf(table).join(".").replace(/^public\./, "")}`);
    const list = columns.join(", ");
    const text = [
      `CREATE TEMPORARY TABLE ${aside} ON COMMIT DROP AS SELECT ${list} FROM ${table}`,
      ...sequences(table, from, to),
      ...away.map((statement) => statement.text),
      ...back.map((statement) => statement.text),
      `INSERT INTO ${table} (${list}) OVERRIDING SYSTEM VALUE SELECT ${list} FROM ${aside}`,
    ].join(together);
    const moved = new Set([...away, ...back]);
    all = all.flatMap((statement) =>
      statement === made ? [{ ...statement, text }] : moved.has(statement) ? [] : [statement]
    );
  }
  return all;
}

/** What stands between statements that only run together. */
export const together = ";\n\n";

/** The tables into which a draft puts rows back. */
export function refilled(statements: string[]): string[] {
  return statements.flatMap((text) =>
    sqlPattern(`${together}INSERT INTO (<path>) .* FROM "rows of [^"]*(?:""[^"]*)*"$`).exec(text)
      ?.[1] ?? []
  );
}

/** Statements by the table that they make or drop. */
function named(statements: DraftStatement[], pattern: RegExp): Map<string, DraftStatement> {
  return new Map(
    statements.flatMap((statement) => {
      const name = pattern.exec(statement.text)?.[1];
      return name ? [[name, statement] as const] : [];
    }),
  );
}

/** The columns that a table has on both sides and that take a value, as SQL has them. */
function common(table: string, from: CatalogObject[], to: CatalogObject[]): string[] {
  const own = (objects: CatalogObject[], kind: string) =>
    objects.filter((object) => object.kind === kind && bare(object.of ?? "") === bare(table));
  const columns = (objects: CatalogObject[]) => {
    const computed = own(objects, "column").filter(({ ddl }) => / generated always as \(/.test(ddl))
      .map(({ name, of }) => name.slice(of!.length + 1));
    const [order] = own(objects, "column order");
    return listedNames(order?.ddl)
      .filter((column) => !computed.includes(column));
  };
  const others = columns(to);
  return columns(from).filter((column) => others.includes(column));
}

function parentOf(table: string, objects: CatalogObject[]): string | undefined {
  const partition = objects.find(({ kind, name }) =>
    kind === "partition" && bare(name) === bare(table)
  );
  const parent = /^alter table only (.+?) attach partition /.exec(partition?.ddl ?? "")?.[1];
  return parent && namesOf(parent).map(quoteName).join(".");
}

/** Whether a table is a partition of another, or of one of its partitions. */
function isWithin(name: string, table: string, objects: CatalogObject[]): boolean {
  const parent = parentOf(name, objects);
  return parent !== undefined && (parent === table || isWithin(parent, table, objects));
}

/** A sequence that the table owns would go with it. */
function sequences(table: string, from: CatalogObject[], to: CatalogObject[]): string[] {
  return from.filter(({ kind, name, of }) =>
    kind === "setting" && name.endsWith(" owned by") && bare(of ?? "") === bare(table) &&
    to.some((other) => other.kind === kind && other.name === name)
  ).map(({ ddl }) => ddl.replace(/ owned by .*$/, " owned by none"));
}

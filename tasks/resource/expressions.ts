import { parse } from "libpg-query";

/** The columns that expressions of a table name, in their order, read with PostgreSQL's grammar. */
export async function columnsOf(expressions: string): Promise<string[]> {
  const names = new Set<string>();
  JSON.stringify(await parse(`select ${expressions}`), (kind, node) => {
    if (kind === "ColumnRef") names.add(node.fields.at(-1).String.sval);
    return node;
  });
  return [...names];
}

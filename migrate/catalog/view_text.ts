import { parse } from "libpg-query";

/**
 * A view's definition as PostgreSQL 16 and later write it: where a select has one source only, 15
 * puts that source's name before each column and the later ones do not. Nested selects are written
 * alike by all.
 */
export async function unqualifyView(ddl: string): Promise<string> {
  const start = ddl.indexOf(" as\n") + " as\n".length;
  const text = ddl.slice(start);
  const { stmts } = await parse(text);
  const [[kind, select]] = Object.entries(stmts![0]!.stmt as object) as [[string, Node]];
  const sources = select.fromClause as Node[] | undefined;
  if (kind !== "SelectStmt" || sources?.length !== 1) return ddl;
  const [[, source]] = Object.entries(sources[0]!) as [[string, Node]];
  const name = (source.alias as { aliasname?: string } | undefined)?.aliasname ?? source.relname;
  if (name === undefined) return ddl;
  const bytes = new TextEncoder().encode(text);
  const slice = (from: number, to?: number) => new TextDecoder().decode(bytes.subarray(from, to));
  let result = "", position = 0;
  for (const location of qualifiedColumns(select, name as string).sort((a, b) => a - b)) {
    result += slice(position, location);
    position = location +
      new TextEncoder().encode(/^("[^"]*"|\w+)\./.exec(slice(location))![0]).length;
  }
  return ddl.slice(0, start) + result + slice(position);
}

type Node = Record<string, unknown>;

/** Where `name.column` stands in a select, without the selects inside of it. */
function qualifiedColumns(node: unknown, name: string): number[] {
  if (node === null || typeof node !== "object") return [];
  return Object.entries(node).flatMap(([kind, value]) => {
    if (/^(SelectStmt|fromClause|withClause|SubLink)$/.test(kind)) {
      // What `x in (select ...)` looks for belongs to this select, not to the inner one.
      return kind === "SubLink" ? qualifiedColumns((value as Node).testexpr, name) : [];
    }
    if (kind !== "ColumnRef") return qualifiedColumns(value, name);
    const { fields, location = 0 } = value as { fields: Node[]; location?: number };
    const [first, second] = fields as { String?: { sval: string } }[];
    return second?.String && first?.String?.sval === name ? [location] : [];
  });
}

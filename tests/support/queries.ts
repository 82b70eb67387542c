/**
 * The queries of db/*.ts, found in the files: each exported function that takes a Database, and the
 * rows that it promises, as `deno doc` reads them.
 */
import { join } from "node:path";
import { type Database, Statement } from "../../postgres/mod.ts";
import type { Json } from "./api.ts";
import { root } from "./root.ts";

/** A column as a type says it. */
export interface Column {
  type: "string" | "boolean" | "number";
  nullable: boolean;
}

export interface Query {
  /** Such as db/todos.ts. */
  file: string;
  /** Such as listTodos. */
  name: string;
  /** The columns of a row, by name. Undefined where the function does not say what it returns. */
  row: Record<string, Column> | undefined;
}

/** What several files of queries share is in files with an underscore. */
const shared = /^_/;

/** The files of queries, such as todos.ts. */
export function queryFiles(): string[] {
  return Array.from(Deno.readDirSync(join(root, "db")))
    .filter(({ name, isFile }) => isFile && name.endsWith(".ts") && !shared.test(name))
    .map(({ name }) => name).sort();
}

/** Every query, in the order of the files and of their lines. */
export async function findQueries(): Promise<Query[]> {
  const files = Array.from(Deno.readDirSync(join(root, "db")))
    .filter(({ name }) => name.endsWith(".ts")).map(({ name }) => join(root, "db", name));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", "--private", ...files],
    cwd: root,
  }).output();
  if (!success) throw new Error(`deno doc: ${new TextDecoder().decode(stderr)}`);
  const nodes: Record<string, Json> = JSON.parse(new TextDecoder().decode(stdout)).nodes;
  const symbols = Object.entries(nodes).flatMap(([url, { symbols }]) =>
    symbols.flatMap(({ name, declarations }: Json) =>
      declarations.map((declaration: Json) => ({ url, name, ...declaration }))
    )
  );
  return queryFiles().flatMap((name) =>
    symbols
      .filter(({ url, kind, declarationKind, def }) =>
        url.endsWith(`/db/${name}`) && kind === "function" && declarationKind === "export" &&
        def.params.some((param: Json) => param.tsType?.repr === "Database")
      )
      .sort((a, b) => a.location.line - b.location.line)
      .map((query) => ({
        file: `db/${name}`,
        name: query.name,
        row: rowOf(query.def.returnType, symbols),
      }))
  );
}

/** The columns of `Promise<Row[]>`. */
function rowOf(returns: Json, symbols: Json[]): Query["row"] {
  const row = returns?.value?.typeParams?.[0]?.value;
  return row && Object.fromEntries(membersOf(row, symbols));
}

function membersOf(type: Json, symbols: Json[]): [string, Column][] {
  const def = type.kind === "typeLiteral"
    ? type.value
    : symbols.find(({ name, kind }) => name === type.value.typeName && kind === "interface")?.def;
  if (!def) throw new Error(`a row is an interface of db/, and ${type.repr} is none`);
  const { properties = [], extends: inherited = [] } = def;
  return [
    ...inherited.flatMap((base: Json) => membersOf(base, symbols)),
    ...properties.map(({ name, tsType }: Json) => {
      const parts: string[] = (tsType.kind === "union" ? tsType.value : [tsType])
        .map(({ repr }: Json) => repr);
      const type = parts.find((part) => part !== "null");
      return [name, { type, nullable: parts.includes("null") }];
    }),
  ];
}

/** A statement that was sent, by which query, and for what. */
export interface Sent<Cause> {
  file: string;
  name: string;
  statement: Statement;
  /** It was sent as one that changes nothing. */
  isRead: boolean;
  cause: Cause;
  /** Its result. */
  rows?: Json[];
  error?: unknown;
}

/** The same database, and a list of what its queries send during each cause. */
export function recorded<Cause>(db: Database) {
  const sent: Sent<Cause>[] = [];
  let cause: Cause | undefined;
  const recording = (name: "query" | "read") => async <Row>(statement: Statement) => {
    const from = queryOf(new Error().stack!);
    const isRead = name === "read";
    const one: Sent<Cause> | undefined = from && cause && { ...from, statement, isRead, cause };
    if (!one) return await db[name]<Row>(statement);
    sent.push(one);
    try {
      const rows = await db[name]<Row>(statement);
      one.rows = rows;
      return rows;
    } catch (error) {
      one.error = error;
      throw error;
    }
  };
  return {
    db: { ...db, query: recording("query"), read: recording("read") },
    sent,
    async during<Result>(why: Cause, work: () => Result | Promise<Result>): Promise<Result> {
      cause = why;
      try {
        return await work();
      } finally {
        cause = undefined;
      }
    },
  };
}

/** The function of a file of queries that is nearest on the stack. */
function queryOf(stack: string): { file: string; name: string } | undefined {
  for (const [, name, file] of stack.matchAll(/ at (?:async )?(\w+) \(file:.*\/db\/(\w+\.ts):/g)) {
    if (!shared.test(file!)) return { file: `db/${file}`, name: name! };
  }
}

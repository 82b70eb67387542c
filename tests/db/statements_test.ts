/**
 * Every query in db/*.ts, in each of the shapes that its statement can take, is parsed and described
 * by PostgreSQL against the migrated schema; its columns are compared with the type that it returns,
 * and every row that is shown with the schema that documents it. `deno task db check` runs this.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { type Database, DatabaseError, sql, Statement } from "../../postgres/mod.ts";
import { nameStatements } from "../../postgres/sql.ts";
import { openapiDocument } from "../../routes/docs.ts";
import { createApp } from "../../routes/mod.ts";
import type { Json } from "../support/api.ts";
import { connectPatiently, createDatabase, type TestDatabase } from "../support/database.ts";
import { findQueries, type Query, queryFiles, type Sent } from "../support/queries.ts";
import { sendEveryQuery } from "../support/every_request.ts";
import { root } from "../support/root.ts";
import { statementTexts } from "../support/statement_texts.ts";

// As where they are measured.
nameStatements();
const queries = await findQueries();

/** What `check` tells of a failure: the file, the query, what is wrong with it, and what to do. */
function fault(
  { file, name }: { file: string; name: string },
  message: string,
  remedy = "correct it, or let the schema change in steps that old code survives",
): Error {
  return new Error(`${file}: ${name}: ${message}; ${remedy}`);
}

/** As a column of this type arrives; what is not here, as a string. */
const arrives: Record<string, string> = {
  boolean: "boolean",
  smallint: "number",
  integer: "number",
  real: "number",
  "double precision": "number",
};

/** Throws where PostgreSQL refuses the statement, or returns other columns than the type says. */
async function describe(db: Database, query: Query, statement: Statement) {
  const { columns } = await db.describe(statement).catch((error) => {
    throw fault(query, error.message);
  });
  const types = await db.query<{ name: string }>(sql`
    select format_type(t.oid, null) as name
    from unnest(string_to_array(${columns.map((c) => c.type).join(",")}, ',')::oid[])
      with ordinality as t (oid, n)
    order by t.n`);
  const found = Object.fromEntries(
    columns.map((column, i) => [column.name, arrives[types[i]!.name] ?? "string"]),
  );
  const said = Object.fromEntries(
    Object.entries(query.row!).map(([column, { type }]) => [column, type]),
  );
  for (const column of new Set([...Object.keys(found), ...Object.keys(said)])) {
    if (found[column] === said[column]) continue;
    throw fault(
      query,
      `${column} is ${
        found[column] ?? "not among the columns"
      }, and the type that it returns says ` +
        (said[column] ?? "nothing of it"),
    );
  }
}

/** Throws where an insert lacks a column that every row must have, which describing does not see. */
async function fill(db: Database, query: Query, { text }: Statement) {
  for (const [, table, list] of text.matchAll(/\binsert into (\w+)(?: as \w+)?\s*\(([^)]*)\)/g)) {
    // A trigger before the insert may fill what the statement does not.
    const required = await db.query<{ name: string }>(sql`
      select attname as name
      from pg_attribute
      where attrelid = ${table}::regclass and attnum > 0 and not attisdropped
        and attnotnull and not atthasdef and attidentity = ''
        and not exists (
          select from pg_trigger where tgrelid = attrelid and tgtype & 7 = 7 and not tgisinternal
        )`);
    const filled = list!.split(",").map((name) => name.trim());
    const missing = required.map(({ name }) => name).filter((name) => !filled.includes(name));
    if (missing.length === 0) continue;
    throw fault(
      query,
      `inserts no ${missing.join(", ")} into ${table}, required and without default`,
    );
  }
}

/** Throws where a row has a null that its type does not have. */
function nulls(query: Query, rows: Json[]) {
  for (const row of rows) {
    for (const [column, value] of Object.entries(row)) {
      if (value !== null || query.row![column]?.nullable) continue;
      throw fault(
        query,
        `${column} is null, and the type of its rows does not say so`,
        "let both say the same",
      );
    }
  }
}

/** A column that is not there, or one that is required and left out: told of its query below. */
function isOfSchema(error: unknown): boolean {
  return error instanceof DatabaseError && /^42|^23502/.test(error.code);
}

async function check(db: Database, query: Query, sent: Sent<unknown>[]) {
  if (!query.row) {
    throw fault(
      query,
      "does not say what it returns",
      "write `: Promise<Row[]>` behind its parameters",
    );
  }
  const own = sent.filter(({ file, name }) => file === query.file && name === query.name);
  if (own.length === 0) {
    throw fault(
      query,
      "is sent by no operation of openapi.json",
      "mount its route in routes/mod.ts, and run `deno task openapi`",
    );
  }
  const statements = new Map(own.map(({ statement }) => [statement.text, statement]));
  for (const statement of statements.values()) {
    const { writer } = statement;
    if (writer !== query.name) {
      throw fault(query, `is measured as ${writer}`, "write its SQL in a function with its name");
    }
    await describe(db, query, statement);
    await fill(db, query, statement);
  }
  for (const { rows = [] } of own) nulls(query, rows);
}

Deno.test("each query: PostgreSQL takes its statements and returns the columns that its type says", async (t) => {
  await using database = await createDatabase();
  const sent = await sendEveryQuery(database.db);
  assert(queries.length > 0);
  const refused = sent.find(({ error }) => isOfSchema(error));
  if (!refused) {
    await t.step("db/statements.sql is what they send", async () => {
      const found = await Deno.readTextFile(join(root, "db", "statements.sql")).catch(() => "");
      const lines = found.replaceAll("\r\n", "\n").split("\n");
      const now = statementTexts(queries, sent).split("\n");
      const n = now.findIndex((line, i) => line !== lines[i]);
      if (n < 0 && now.length === lines.length) return;
      throw new Error(
        `db/statements.sql:${n + 1}: is not what the queries send; run \`deno task statements\`\n` +
          `  it has    ${lines[n]}\n  they send ${now[n]}`,
      );
    });
  }
  for (const query of queries) {
    await t.step(`${query.file}: ${query.name}`, () => check(database.db, query, sent));
  }
  await t.step(
    "what is sent as a read changes nothing, and what changes nothing is sent as a read",
    () => proveReads(database, sent),
  );
});

/** Runs all on a database that takes no change: each is refused if and only if it is no read. */
async function proveReads(database: TestDatabase, sent: Sent<unknown>[]) {
  const { database: name } = database.settings;
  await database.db.script(`alter database ${name} set default_transaction_read_only = on`);
  const readOnly = connectPatiently(database.settings, { session: true });
  for (const { file, name, statement, isRead } of sent) {
    const { code } = await readOnly.query(statement).then(() => ({ code: "00000" }), (e) => e);
    if (isRead && code === "25006") throw fault({ file, name }, "changes something: use db.query");
    if (!isRead && code === "00000") throw fault({ file, name }, "changes nothing: use db.read");
  }
  await readOnly.close();
}

/** As row_to_json writes them; what is not here it writes as a string. */
const jsonTypes: Record<string, string> = {
  bigint: "integer",
  integer: "integer",
  smallint: "integer",
  numeric: "number",
  "double precision": "number",
  boolean: "boolean",
};

/** What a row shows, as db/todos.ts exports it: `todoColumns`, of `todos t`, is the document's Todo. */
async function findColumns() {
  const found: { file: string; name: string; table: string; columns: Statement }[] = [];
  for (const file of queryFiles()) {
    const exported = await import(new URL(`../../db/${file}`, import.meta.url).href);
    for (const [name, value] of Object.entries(exported)) {
      if (!(value instanceof Statement)) continue;
      found.push({ file: `db/${file}`, name, table: file.slice(0, -3), columns: value });
    }
  }
  return found;
}

Deno.test("what a row shows is exported, so that it is compared with the document", async () => {
  for (const file of queryFiles()) {
    const text = await Deno.readTextFile(new URL(`../../db/${file}`, import.meta.url));
    const [, name] = /^const (\w+Columns) =/m.exec(text) ?? [];
    if (name) throw fault({ file, name }, "is not exported");
  }
});

for (const { file, name, table, columns } of await findColumns()) {
  Deno.test(`${file}: ${name} has the fields, types and nulls of the document`, async () => {
    const wrong = (message: string, remedy?: string) => fault({ file, name }, message, remedy);
    await using database = await createDatabase();
    const { db } = database;
    const app = createApp({ db, environment: "test", corsOrigins: [], rateLimit: 0, log() {} });
    const noun = `${name[0]!.toUpperCase()}${name.slice(1).replace(/Columns$/, "")}`;
    const schema: Json = (openapiDocument(app) as Json).components.schemas[noun];
    if (!schema) throw wrong(`the document has no ${noun}`, "mount its routes in routes/mod.ts");
    const { columns: described } = await db.describe(
      sql`select ${columns} from ${new Statement([`${table} t`], [])}`,
    ).catch((error) => {
      throw wrong(error.message);
    });
    const attributes = await db.query<{ name: string; number: number; required: boolean }>(sql`
      select attname as name, attnum as number, attnotnull as required
      from pg_attribute
      where attrelid = ${table}::regclass and attnum > 0 and not attisdropped`);
    const [shows, says] = [described.map((c) => c.name), Object.keys(schema.properties)];
    if (shows.toSorted().join() !== says.toSorted().join()) {
      throw wrong(`shows ${shows.join(", ")}, and the document's ${noun} has ${says.join(", ")}`);
    }
    assertEquals(schema.required.toSorted(), says.toSorted());
    for (const column of described) {
      const [type] = await db.query<{ name: string }>(sql`
        select format_type(${column.type}::oid, null) as name`);
      // An expression, such as a time's, is over the column of its name; another may be renamed.
      const attribute = attributes.find((a) =>
        column.table ? a.number === column.number : a.name === column.name
      );
      if (!attribute) throw wrong(`shows ${column.name}, which is no column's name`);
      const json = jsonTypes[type!.name] ?? "string";
      const is = attribute.required ? json : [json, "null"].sort().join(" or ");
      const said = [schema.properties[column.name].type].flat().sort().join(" or ");
      if (is !== said) {
        throw wrong(`${column.name} is ${is}, and the document's ${noun} says ${said}`);
      }
    }
  });
}

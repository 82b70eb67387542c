/**
 * Every statement in db/*.ts, in each of its shapes, is parsed and described by PostgreSQL against
 * the migrated schema, and every row that is shown is compared with the schema that documents it.
 */
import { assert, assertEquals } from "@std/assert";
import { type Table } from "../../db/_table.ts";
import * as health from "../../db/health.ts";
import * as keys from "../../db/keys.ts";
import { type Database, sql, type Statement } from "../../postgres/mod.ts";
import * as todos from "../../db/todos.ts";
import * as users from "../../db/users.ts";
import { openapiDocument } from "../../routes/docs.ts";
import { createApp } from "../../routes/mod.ts";
import type { Json } from "../support/api.ts";
import { createDatabase } from "../support/database.ts";

const key = { id: "1", hash: "00".repeat(32) };
const once = { operation: "o", key: "k", hash: "00".repeat(32) };
const after = { id: "1", value: "2030-01-01 00:00:00+00" };
const versions = ["1", "2"];

const pages = <Sort extends string>(sorts: Record<Sort, unknown>) =>
  (Object.keys(sorts) as Sort[]).flatMap((sort) =>
    [true, false].flatMap((descending) =>
      [undefined, after].map((after) => ({ sort, descending, after, limit: 20 }))
    )
  );

const filters: todos.TodoFilter[] = [
  {},
  { completed: true, due_before: after.value, due_after: after.value },
  { completed: false, due: "none", student_id: "1" },
  { updated_since: after.value, q: "chalk -board" },
];

/** A value for whatever field is asked for: PostgreSQL parses the statement and never sees it. */
const anyFields = new Proxy({}, { get: () => "1" });

/** Each exported query, called in each of the shapes that its statement can take. */
const calls: Record<string, (db: Database) => Promise<unknown>[]> = {
  "todos.list": (db) =>
    pages(todos.todos.sorts).flatMap((p) => filters.map((f) => todos.todos.list(db, key, p, f))),
  listStudentTodos: (db) =>
    pages(todos.todos.sorts).map((p) => todos.listStudentTodos(db, key, "1", p, {})),
  getMe: (db) => [users.getMe(db, key)],
  proveKey: (db) => [keys.proveKey(db, key, "read")],
  listKeys: (db) => pages(keys.keySorts).map((p) => keys.listKeys(db, key, p)),
  createKey: (db) =>
    (["read", "admin"] as const).flatMap((scope) => {
      const fields = { name: "x", scope, expires_at: null };
      return [undefined, once].map((o) => keys.createKey(db, key, fields, key.hash, o));
    }),
  rotateKey: (db) => [undefined, once].map((o) => keys.rotateKey(db, key, "1", 60, key.hash, o)),
  deleteKey: (db) => [keys.deleteKey(db, key, "1")],
  installKey: (db) => [
    keys.installKey(db, { email: "a@b", scope: "read", name: "x", hash: key.hash }),
  ],
  listAppliedVersions: (db) => [health.listAppliedVersions(db)],
};

/** What several files of queries in db/ share. */
const notQueries = /^_.*\.ts$/;

/** The tables that db/ exports, by name, and the names of the other queries. */
const tables: Record<string, Table<Json, string, Json>> = {};
const queries: string[] = [];
/** Where each of both is. */
const files: Record<string, string> = { keys: "db/keys.ts" };
const folder = new URL("../../db/", import.meta.url);
for (const { name, isFile } of Deno.readDirSync(folder)) {
  if (!isFile || !name.endsWith(".ts") || notQueries.test(name)) continue;
  for (const [exported, value] of Object.entries<Json>(await import(`${folder}${name}`))) {
    files[exported] = `db/${name}`;
    if (typeof value === "function") queries.push(exported);
    else if (value.columns) tables[exported] = value;
  }
}

for (const [name, table] of Object.entries(tables)) {
  const { get, list, create, update, remove, sorts, changeable } = table;
  calls[`${name}.get`] = (db) => [get(db, key, "1")];
  calls[`${name}.list`] ??= (db) =>
    pages(sorts).flatMap((p) => [{}, anyFields].map((f) => list(db, key, p, f)));
  calls[`${name}.create`] = (db) => [undefined, once].map((o) => create(db, key, anyFields, o));
  calls[`${name}.remove`] = (db) =>
    [undefined, "*" as const, versions].map((v) => remove(db, key, "1", v));
  if (changeable.length === 0) continue;
  const each = changeable.map((field) => ({ [field]: null }));
  calls[`${name}.update`] = (db) =>
    [{}, ...each, Object.assign({}, ...each)].map((some) => update(db, key, "1", some, versions));
}

/** The columns that each kind of statement must return, by the type that its rows are read as. */
const asked = { caller_id: "bigint", allowed: "boolean" };
const found = { ...asked, body: "text", version: "bigint" };
const changed = { ...asked, present: "boolean", body: "text", version: "bigint", written: "text" };
const created = {
  ...asked,
  id: "bigint",
  body: "text",
  version: "bigint",
  replayed: "boolean",
  reused: "boolean",
  written: "text",
};
const page = { ...asked, present: "boolean", data: "text", last_id: "bigint", last_value: "text" };

function expected(name: string): Record<string, string> {
  if (name === "proveKey") return asked;
  if (name === "installKey") return { id: "bigint" };
  if (name === "listAppliedVersions") return { version: "character varying" };
  if (/get/.test(name)) return found;
  if (/list/.test(name)) return page;
  if (/create|rotate/.test(name)) return created;
  return changed;
}

/** What `check` tells of a failure too: the file, the query and what PostgreSQL says of it. */
const where = (query: string) => `${files[query.split(".")[0]!]}: ${query}`;

function refused(query: string): (error: Error) => never {
  return (error) => {
    throw new Error(`${where(query)}: ${error.message}`, { cause: error });
  };
}

/** Refuses an insert without a column that every row must have, which describing does not see. */
async function fills(db: Database, { text }: Statement) {
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
    throw new Error(`inserts no ${missing.join(", ")} into ${table}, required and without default`);
  }
}

/** Describes instead of running. */
function describing(db: Database, described: (columns: string[]) => void): Database {
  return {
    ...db,
    async query<Row>(statement: Statement): Promise<Row[]> {
      const { columns } = await db.describe(statement);
      await fills(db, statement);
      const types = await db.query<{ name: string }>(sql`
        select format_type(t.oid, null) as name
        from unnest(string_to_array(${columns.map((c) => c.type).join(",")}, ',')::oid[])
          with ordinality as t (oid, n)
        order by t.n`);
      described(columns.map((c, i) => `${c.name} ${types[i]!.name}`));
      return [];
    },
  };
}

Deno.test("every exported query is described here", () => {
  assert(Object.keys(tables).length > 0);
  assertEquals(queries.filter((name) => !(name in calls)), []);
});

for (const [name, call] of Object.entries(calls)) {
  Deno.test(`${name}: PostgreSQL parses its statement and returns the columns that its rows are read as`, async () => {
    await using database = await createDatabase();
    const seen: string[][] = [];
    const db = describing(database.db, (columns) => seen.push(columns));
    await Promise.all(call(db)).catch(refused(name));
    const columns = Object.entries(expected(name)).map(([column, type]) => `${column} ${type}`);
    assert(seen.length > 0);
    for (const one of seen) {
      assertEquals(one, columns, `${where(name)}: returns ${one}, and not ${columns}`);
    }
  });
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

/** What each table shows, and how the document names it: todos are Todo. */
const shown: Record<string, { columns: Statement; from: Statement }> = {
  keys: { columns: keys.keyColumns, from: sql`keys t` },
  ...tables,
};

for (const [table, { columns, from }] of Object.entries(shown)) {
  const name = `${table[0]!.toUpperCase()}${table.slice(1, -1)}`;
  Deno.test(`${name}: the row that is shown has the fields, types and nulls of the document`, async () => {
    await using database = await createDatabase();
    const { db } = database;
    const app = createApp({ db, environment: "test", corsOrigins: [], rateLimit: 0, log() {} });
    const schema: Json = (openapiDocument(app) as Json).components.schemas[name];
    assert(
      schema,
      `${files[table]}: has no resource in the document (no ${name}); ` +
        "mount it in routes/mod.ts",
    );
    const { columns: described } = await db.describe(sql`select ${columns} from ${from}`)
      .catch(refused(`${table}.columns`));
    const attributes = await db.query<{ name: string; number: number; required: boolean }>(sql`
      select attname as name, attnum as number, attnotnull as required
      from pg_attribute
      where attrelid = ${table}::regclass and attnum > 0 and not attisdropped`);
    const [shows, says] = [described.map((c) => c.name), Object.keys(schema.properties)];
    assertEquals(
      shows.sort(),
      says.sort(),
      `${where(table)}: shows ${shows}, and the document's ${name} has ${says}`,
    );
    assertEquals([...schema.required].sort(), Object.keys(schema.properties).sort());
    for (const column of described) {
      const [type] = await db.query<{ name: string }>(sql`
        select format_type(${column.type}::oid, null) as name`);
      // An expression, such as a time's, is over the column of its name; another may be renamed.
      const attribute = attributes.find((a) =>
        column.table ? a.number === column.number : a.name === column.name
      );
      assert(attribute, `${where(table)}: shows ${column.name}, which is no column's name`);
      const json = jsonTypes[type!.name] ?? "string";
      const documented = [schema.properties[column.name].type].flat().sort();
      const right = attribute.required ? [json] : [json, "null"].sort();
      const [is, said] = [right, documented].map((types) => types.join(" or "));
      const why = `${
        where(table)
      }: ${column.name} is ${is}, and the document's ${name} says ${said}`;
      assertEquals(documented, right, why);
    }
  });
}

/**
 * Every statement in db/*.ts, in each of its shapes, is parsed and described by PostgreSQL against
 * the migrated schema, and every row that is shown is compared with the schema that documents it.
 */
import { assert, assertEquals } from "@std/assert";
import * as health from "../db/health.ts";
import * as keys from "../db/keys.ts";
import { type Database, sql, type Statement } from "../db/mod.ts";
import * as students from "../db/students.ts";
import * as todos from "../db/todos.ts";
import * as users from "../db/users.ts";
import { openapiDocument } from "../routes/docs.ts";
import { createApi, type Json } from "./api.ts";
import { createDatabase } from "./database.ts";

const key = { id: "1", hash: "00".repeat(32) };
const once = { key: "k", hash: "00".repeat(32) };
const after = { id: "1", value: "2030-01-01 00:00:00+00" };
const versions = ["1", "2"];

const pages = <Sort extends string>(sorts: readonly Sort[]) =>
  sorts.flatMap((sort) =>
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

const todo = { description: "x", completed: false, due_date: null, student_id: null };
const student = { first_name: "A", last_name: "B", age: null };
const user = { name: "A", email: "a@b", years_old: null };

/** Each exported query, called in each of the shapes that its statement can take. */
const calls: Record<string, (db: Database) => Promise<unknown>[]> = {
  listTodos: (db) =>
    pages(todos.todoSorts).flatMap((p) => filters.map((f) => todos.listTodos(db, key, p, f))),
  listStudentTodos: (db) =>
    pages(todos.todoSorts).map((p) => todos.listStudentTodos(db, key, "1", p, {})),
  getTodo: (db) => [todos.getTodo(db, key, "1")],
  createTodo: (db) => [todos.createTodo(db, key, todo), todos.createTodo(db, key, todo, once)],
  updateTodo: (db) => [
    todos.updateTodo(db, key, "1", {}),
    todos.updateTodo(db, key, "1", todo, versions),
    todos.updateTodo(db, key, "1", { completed: true }, "*"),
  ],
  deleteTodo: (db) => [todos.deleteTodo(db, key, "1"), todos.deleteTodo(db, key, "1", versions)],
  listStudents: (db) => pages(students.studentSorts).map((p) => students.listStudents(db, key, p)),
  getStudent: (db) => [students.getStudent(db, key, "1")],
  createStudent: (db) => [
    students.createStudent(db, key, student),
    students.createStudent(db, key, student, once),
  ],
  updateStudent: (db) => [students.updateStudent(db, key, "1", student, versions)],
  deleteStudent: (db) => [students.deleteStudent(db, key, "1", versions)],
  listUsers: (db) => pages(users.userSorts).map((p) => users.listUsers(db, key, p)),
  getMe: (db) => [users.getMe(db, key)],
  getUser: (db) => [users.getUser(db, key, "1")],
  createUser: (db) => [users.createUser(db, key, user), users.createUser(db, key, user, once)],
  updateUser: (db) => [users.updateUser(db, key, "1", user, versions)],
  deleteUser: (db) => [users.deleteUser(db, key, "1", versions)],
  proveKey: (db) => [keys.proveKey(db, key, "read")],
  listKeys: (db) => pages(["id"]).map((p) => keys.listKeys(db, key, p)),
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
  if (name.startsWith("get")) return found;
  if (name.startsWith("list")) return page;
  if (name.startsWith("create") || name === "rotateKey") return created;
  return changed;
}

/** Describes instead of running. */
function describing(db: Database, described: (columns: string[]) => void): Database {
  return {
    ...db,
    async query<Row>(statement: Statement): Promise<Row[]> {
      const { columns } = await db.describe(statement);
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
  const exported = [health, keys, students, todos, users].flatMap((module) =>
    Object.entries(module).filter(([, value]) => typeof value === "function").map(([n]) => n)
  );
  assertEquals(exported.sort(), Object.keys(calls).sort());
});

for (const [name, call] of Object.entries(calls)) {
  Deno.test(`${name}: PostgreSQL parses its statement and returns the columns that its rows are read as`, async () => {
    await using database = await createDatabase();
    const seen: string[][] = [];
    const db = describing(database.db, (columns) => seen.push(columns));
    await Promise.all(call(db));
    const columns = Object.entries(expected(name)).map(([column, type]) => `${column} ${type}`);
    assert(seen.length > 0);
    for (const one of seen) assertEquals(one, columns);
  });
}

const jsonTypes: Record<string, string> = {
  bigint: "integer",
  integer: "integer",
  text: "string",
  boolean: "boolean",
};

const shown: Record<string, [table: string, select: Statement]> = {
  Todo: ["todos", sql`select ${todos.todoColumns} from todos t`],
  Student: ["students", sql`select ${students.studentColumns} from students t`],
  User: ["users", sql`select ${users.userColumns} from users t`],
  Key: ["keys", sql`select ${keys.keyColumns} from keys t`],
};

for (const [name, [table, select]] of Object.entries(shown)) {
  Deno.test(`${name}: the row that is shown has the fields, types and nulls of the document`, async () => {
    await using api = await createApi();
    const { db } = api.database;
    const schema: Json = (openapiDocument(api.app) as Json).components.schemas[name];
    const { columns: described } = await db.describe(select);
    const attributes = await db.query<{ name: string; required: boolean }>(sql`
      select attname as name, attnotnull as required
      from pg_attribute
      where attrelid = ${table}::regclass and attnum > 0 and not attisdropped`);
    assertEquals(described.map((c) => c.name).sort(), Object.keys(schema.properties).sort());
    assertEquals([...schema.required].sort(), Object.keys(schema.properties).sort());
    for (const column of described) {
      const [type] = await db.query<{ name: string }>(sql`
        select format_type(${column.type}::oid, null) as name`);
      // A time is an expression over the column of its name, which decides whether it can be null.
      const { required } = attributes.find((a) => a.name === column.name)!;
      const json = jsonTypes[type!.name]!;
      const documented = [schema.properties[column.name].type].flat().sort();
      assertEquals(documented, required ? [json] : [json, "null"].sort(), column.name);
    }
  });
}

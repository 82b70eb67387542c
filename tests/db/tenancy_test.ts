/**
 * Whose rows a statement touches is proven from its text: each table of a user's rows is bound to the
 * caller's own id by a condition that nothing else can lift, and only where the caller is allowed.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Statement } from "../../postgres/mod.ts";
import { createDatabase } from "../support/database.ts";
import { callerId, sendEveryQuery } from "../support/every_request.ts";
import { findQueries, type Sent } from "../support/queries.ts";
import { strayReferences } from "../support/tenancy.ts";

/** For the command line, where whoever can open the database needs no other proof. */
const withoutCaller = ["installKey", "listAppliedVersions"];

const { owned, sent } = await observe();

/** What every query sends, and the tables that belong to a user. */
async function observe(): Promise<{ owned: Set<string>; sent: Sent<unknown>[] }> {
  await using database = await createDatabase();
  const tables = await database.db.query<{ name: string }>(
    new Statement(
      [
        "select attrelid::regclass::text as name from pg_attribute where attname = 'owner_id'" +
        " and attrelid in (select oid from pg_class where relkind = 'r')",
      ],
      [],
    ),
  );
  const sent = await sendEveryQuery(database.db);
  return { owned: new Set(tables.map(({ name }) => name)), sent };
}

function faultsOf({ text, values }: Statement): Promise<string[]> {
  const numbers = values.flatMap((value, i) => value === callerId ? [i + 1] : []);
  return strayReferences(text, { owned, owner: new Set(numbers) });
}

/** A statement that a query sends. */
function statementOf(query: string): Statement {
  return sent.find(({ name }) => name === query)!.statement;
}

Deno.test("each query: every row that it reads, changes, makes or deletes is the caller's [34]", async (t) => {
  assert(owned.has("todos") && owned.has("keys") && owned.has("idempotency_keys"));
  for (const { file, name } of await findQueries()) {
    if (withoutCaller.includes(name)) continue;
    const own = new Map(
      sent.filter((one) => one.name === name).map(({ statement }) => [statement.text, statement]),
    );
    await t.step(`${file}: ${name}`, async () => {
      assert(own.size > 0);
      for (const statement of own.values()) {
        assertEquals(await faultsOf(statement), [], `${file}: ${name}: ${statement.text}`);
      }
    });
  }
});

/** What a hasty hand could write, and what is said of it. */
const planted: [query: string, from: RegExp, to: string, fault: string][] = [
  [
    "listTodos",
    /\n +and true\n/,
    "\n and t.completed or t.description like 'A%'\n",
    "todos t is not bound",
  ],
  ["listTodos", /t\.owner_id = \$\d+ and/, "", "todos t is not bound"],
  [
    "listTodos",
    /t\.owner_id = (\$\d+) and/,
    "(t.owner_id = $1 or t.completed) and",
    "todos t is not bound",
  ],
  ["listTodos", /t\.owner_id = (\$\d+) and/, "t.owner_id = 7 and", "todos t is not bound"],
  ["listTodos", /t\.owner_id = (\$\d+) and/, "not (t.owner_id = $1) and", "todos t is not bound"],
  [
    "listTodos",
    /\(select allowed from caller\)/,
    "true",
    "todos t does not ask for caller.allowed",
  ],
  [
    "listTodos",
    /from todos t\n/,
    "from todos t left join students s on s.id = t.student_id\n",
    "students s is not bound",
  ],
  ["listTodos", /from todos t\n/, "from todos t, students s\n", "students s is not bound"],
  ["getTodo", /from todos t\n/, "from (select * from todos) t\n", "todos todos is not bound"],
  [
    "getTodo",
    /and t\.id = /,
    "and exists (select from students s where s.id = t.student_id) and t.id = ",
    "students s is not bound",
  ],
  ["getTodo", /sha256\(k\.secret_hash[^=]+=[^)]+\)[^)]+\)/, "true", "keys k does not ask"],
  [
    "getTodo",
    /caller as materialized \([^]+?from keys/,
    "caller as (select 1 as id, true as allowed from users), other as (select from keys",
    "proves no caller",
  ],
  [
    "updateTodo",
    /update todos t\n +set/,
    "update todos t set owner_id = 1,",
    "its owner is changed",
  ],
  ["updateTodo", /where t\.owner_id = \$\d+ and/, "where", "todos t is not bound"],
  [
    "deleteTodo",
    /where t\.owner_id = (\$\d+) and/,
    "where t.owner_id = $1 or",
    "todos t is not bound",
  ],
  [
    "deleteTodo",
    /delete from todos t/,
    "delete from todos t using students s",
    "students s is not bound",
  ],
  [
    "createTodo",
    /select\s+(\$\d+)::bigint,/,
    "select 7,",
    "does not take its owner_id from the caller",
  ],
  ["createTodo", /where caller\.allowed and/, "where", "does not ask for caller.allowed"],
  [
    "createTodo",
    /returning t\.id/,
    "on conflict (owner_id, id) do update set completed = true returning t.id",
    "what is there already",
  ],
  [
    "getUser",
    /and \(select allowed and [^)]+\)[^)]+\)/,
    "and (select allowed from caller)",
    "users t is neither",
  ],
  ["getUser", /admin or id/, "true or id", "users t is neither"],
  ["listKeys", /from keys t\n/, "from keys t union select * from todos t\n", "is not bound"],
];

Deno.test("a condition that is missing, lifted or of another table fails, and by its name", async (t) => {
  for (const [query, from, to, fault] of planted) {
    await t.step(`${query}: ${to}`, async () => {
      const { text, values } = statementOf(query);
      assertEquals(await faultsOf({ text, values } as Statement), []);
      const changed = text.replace(from, to);
      assert(changed !== text, `${from} is not in ${text}`);
      assertStringIncludes((await faultsOf({ text: changed, values } as Statement)).join(), fault);
    });
  }
});

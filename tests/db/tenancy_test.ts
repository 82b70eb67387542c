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
const withoutCaller = ["findAccount", "installKey", "listAppliedVersions"];

const { owned, sent } = await observe();

/** What every query sends, and the tables that belong to a user. A view may show anybody's rows. */
async function observe(): Promise<{ owned: Set<string>; sent: Sent<unknown>[] }> {
  await using database = await createDatabase();
  const tables = await database.db.query<{ name: string }>(
    new Statement(
      [
        "select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace" +
        " and (c.relkind in ('v', 'm') or c.relkind in ('r', 'p', 'f') and exists (" +
        "select from pg_attribute where attrelid = c.oid and attname = 'owner_id'))",
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
  assert(owned.has("keys") && owned.has("idempotency_keys"));
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
  ["listKeys", / and true\n/, " and t.version > 1 or t.name like 'A%'\n", "keys t is not bound"],
  ["listKeys", /t\.owner_id = \$\d+ and/, "", "keys t is not bound"],
  [
    "listKeys",
    /t\.owner_id = \$\d+ and/,
    "(t.owner_id = $1 or t.version > 1) and",
    "keys t is not",
  ],
  ["listKeys", /t\.owner_id = \$\d+ and/, "t.owner_id = 7 and", "keys t is not bound"],
  ["listKeys", /t\.owner_id = \$\d+ and/, "t.owner_id = $2 and", "keys t is not bound"],
  ["listKeys", /t\.owner_id = \$\d+ and/, "not (t.owner_id = $1) and", "keys t is not bound"],
  ["listKeys", /\(select allowed from caller\)/, "true", "keys t does not ask for caller.allowed"],
  ["listKeys", /\(select allowed from caller\)/, "(select true from caller)", "does not ask"],
  ["listKeys", /from keys t\n/, "from keys t left join keys s on s.id = t.id\n", "keys s is not"],
  [
    "listKeys",
    /from keys t\n/,
    "from keys t, idempotency_keys s\n",
    "idempotency_keys s is not bound",
  ],
  ["listKeys", /from keys t\n/, "from (select * from keys) t\n", "keys keys is not bound"],
  ["listKeys", /from keys t\n/, "from keys t union select * from keys u\n", "is not bound"],
  ["listKeys", /\brows as \(/, "keys as (select 1), rows as (", "the CTE keys hides a table"],
  [
    "deleteKey",
    /and t\.id = /,
    "and exists (select from keys s where s.id = 1) and t.id = ",
    "keys s",
  ],
  ["deleteKey", /where t\.owner_id = \$\d+ and/, "where t.owner_id = $1 or", "keys t is not bound"],
  [
    "deleteKey",
    /delete from keys t/,
    "delete from keys t using idempotency_keys s",
    "idempotency_keys s",
  ],
  [
    "getMe",
    /sha256\(\s+coalesce\([^]+?\) = sha256\([^)]+\)[^)]+\)/,
    "true",
    "keys k does not ask",
  ],
  [
    "getMe",
    /caller as materialized \([^]+?from keys/,
    "caller as (select 1 as id), other as (select from keys",
    "proves no caller",
  ],
  ["rotateKey", /update keys t\n +set/, "update keys t set owner_id = 1,", "its owner is changed"],
  [
    "createKey",
    /select\s+\$\d+::bigint,/,
    "select 7,",
    "does not take its owner_id from the caller",
  ],
  ["createKey", /where caller\.allowed and/, "where", "does not ask for caller.allowed"],
  [
    "createKey",
    /returning t\.id/,
    "on conflict (owner_id, id) do update set name = 'x' returning t.id",
    "what is there already",
  ],
  [
    "getUser",
    /and \(select allowed and [^)]+\)[^)]+\)/,
    "and (select allowed from caller)",
    "users t is neither",
  ],
  ["getUser", /admin or id/, "true or id", "users t is neither"],
  ["getUser", /from users t\n/, "from users t, users u\n", "users u is neither"],
  [
    "listKeys",
    /from keys t\n/,
    "from keys t, lateral (select * from keys s where s.id = t.id) l\n",
    "keys s is not bound",
  ],
  [
    "listKeys",
    /from keys t\n/,
    "from keys t left join lateral (select * from keys s) l on true\n",
    "keys s is not bound",
  ],
  ["listKeys", /from keys t\n/, "from keys t join keys s using (owner_id)\n", "keys s is not"],
  ["listKeys", /from keys t\n/, "from keys t (owner_id, id)\n", "other names for its columns"],
  ["listKeys", /from keys t\n/, "from keys t tablesample system (9)\n", "cannot be followed"],
  ["listKeys", /\brows as \(/, "o as (select * from keys s), rows as (", "keys s is not bound"],
  [
    "listKeys",
    /\brows as \(/,
    "o as (select query_to_xml('table keys', true, false, '')), rows as (",
    "query_to_xml() reads what cannot be followed",
  ],
  [
    "listKeys",
    /\brows as \(/,
    "rows as (select * from keys s union all ",
    "keys s is not bound",
  ],
  ["listKeys", /and true\n/, "and t.id in (select id from keys s)\n", "keys s is not bound"],
  ["listKeys", /$/, " order by (select count(*) from keys s)", "keys s is not bound"],
  ["listKeys", /$/, "; select * from keys s", "keys s is not bound"],
  [
    "rotateKey",
    /(update keys t\s+set[^]+?)where t\.owner_id/,
    "$1from keys s where t.owner_id",
    "keys s is not bound",
  ],
  [
    "rotateKey",
    /update keys t\n +set/,
    "update keys t set name = (select s.name from keys s limit 1),",
    "keys s is not bound",
  ],
  ["createKey", /\(owner_id, name/, "(name", "does not take its owner_id from the caller"],
  [
    "createKey",
    /insert into keys as t \([^)]+\)\s+select[^]+?returning/,
    "insert into keys as t (owner_id, name) values ($1, 'x') returning",
    "does not take its owner_id from the caller",
  ],
  [
    "deleteKey",
    /from caller left join[^]+$/,
    "from caller; merge into keys t using caller on t.owner_id = $1 when matched then delete",
    "keys is referred to in a way that cannot be followed",
  ],
  [
    "deleteKey",
    /from caller left join[^]+$/,
    "from caller; merge into users u using caller on true when matched then delete",
    "users is referred to in a way that cannot be followed",
  ],
];

Deno.test("a statement without its owner's condition, or with a wrong one, is found and named", async (t) => {
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

/** What Citus makes of every query, on a cluster: `deno task test:citus` runs this. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Database, sql, Statement } from "../../postgres/mod.ts";
import { installKey } from "../../db/keys.ts";
import { createApi } from "../support/api.ts";
import { createDatabase } from "../support/database.ts";
import { callerId, type Request, sendEveryQuery } from "../support/every_request.ts";
import { findQueries, type Sent } from "../support/queries.ts";

/** What changes users, who are on every node, and what runs for no caller. */
const everywhere = [
  "createUser",
  "updateUser",
  "deleteUser",
  "findAccount",
  "installKey",
  "listAppliedVersions",
];

/** Citus takes an insert in a CTE apart: the coordinator runs each CTE for itself. */
const inserts = /^(create|rotate)/;

/** The nodes of each task that Citus plans for a statement, by their ports. */
async function tasksOf(db: Database, { texts, values }: Statement): Promise<number[]> {
  const [first, ...rest] = texts;
  const explained = new Statement([`explain (costs off) ${first}`, ...rest], values);
  const lines = await db.query<{ "QUERY PLAN": string }>(explained);
  const plan = lines.map((line) => line["QUERY PLAN"]).join("\n");
  const tasks = [...plan.matchAll(/Task Count: (\d+)/g)].map(([, count]) => Number(count));
  const nodes = [...plan.matchAll(/Node: .*port=(\d+)/g)].map(([, port]) => Number(port));
  // Of many tasks it shows one.
  return tasks.flatMap((count, i) => Array<number>(count).fill(nodes[i]!));
}

/** A statement of this text, with the values that it still has a use for. */
function statementOf(text: string, values: readonly unknown[]): Statement {
  const parts = text.split(/\$(\d+)/);
  return new Statement(
    parts.filter((_, i) => i % 2 === 0),
    parts.filter((_, i) => i % 2 === 1).map((n) => values[Number(n) - 1]),
  );
}

/** What is wrong with where the tasks of a query run; undefined for nothing. */
function faultOf(
  { file, name }: { file: string; name: string },
  tasks: number[],
  home: number,
  coordinator: number,
): string | undefined {
  const said = `${file}: ${name}: ${tasks.length} tasks, on the nodes ${tasks.join(", ")}`;
  if (inserts.test(name)) {
    return tasks.every((node) => node === home || node === coordinator) ? undefined : said;
  }
  return tasks.length === 1 && tasks[0] === home ? undefined : said;
}

/** Everything that is sent, on a cluster, and where its caller's rows are. */
async function observe() {
  const database = await createDatabase();
  const { db, settings } = database;
  const sent = await sendEveryQuery(db);
  const [place] = await db.query<{ home: number }>(sql`
    select nodeport as home
    from pg_dist_shard_placement
    where shardid = get_shard_id_for_distribution_column('todos', ${callerId}::bigint)`);
  const judge = async (query: Sent<Request>, statement = query.statement) =>
    faultOf(query, await tasksOf(db, statement), place!.home, settings.port);
  return { sent, judge, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

Deno.test("each query of a caller is one task on the node of its rows; a create has no other node", async (t) => {
  await using cluster = await observe();
  for (const { file, name } of await findQueries()) {
    if (everywhere.includes(name)) continue;
    const own = new Map(
      cluster.sent.filter((one) => one.name === name).map((one) => [one.statement.text, one]),
    );
    await t.step(`${file}: ${name}`, async () => {
      assert(own.size > 0);
      for (const query of own.values()) assertEquals(await cluster.judge(query), undefined);
    });
  }
});

/** What a hasty hand could write. */
const planted: [query: string, from: RegExp, to: string][] = [
  ["listTodos", /t\.owner_id = \$\d+ and/, ""],
  ["getTodo", /t\.owner_id = \$\d+ and/, "t.owner_id = (select id from caller) and"],
  ["updateTodo", /returning t\.\*/, "returning t.*, to_char(t.created_at, 'YYYY') as year"],
  ["deleteTodo", /k\.owner_id = \$\d+\s+and/, ""],
];

Deno.test("a statement that Citus cannot send to one node is found, and by its name", async (t) => {
  await using cluster = await observe();
  for (const [name, from, to] of planted) {
    await t.step(`${name}: ${to}`, async () => {
      const query = cluster.sent.find((one) => one.name === name)!;
      assertEquals(await cluster.judge(query), undefined);
      const { text, values } = query.statement;
      const changed = text.replace(from, to);
      assert(changed !== text, `${from} is not in ${text}`);
      const statement = statementOf(changed, values);
      const fault = await cluster.judge(query, statement)
        .catch((error: Error) => `${name}: ${error.message}`);
      assertStringIncludes(fault ?? "", name);
    });
  }
});

Deno.test("the application's role makes a key by hand, though it has no right to a sequence", async () => {
  await using api = await createApi();
  const key = {
    email: "grace@example.com",
    scope: "admin" as const,
    name: "x",
    hash: "00".repeat(32),
  };
  assertEquals((await installKey(api.db, key)).length, 1);
});

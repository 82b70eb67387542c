/**
 * `TEST_CITUS_URL=... deno run --allow-all bench/citus.ts`: what the statements of the API cost on a
 * Citus cluster, whose coordinator the URL names, beside one PostgreSQL: a database of its first
 * worker that knows nothing of the cluster. Without the API in front, which is the same for all.
 */
import { createTodo, getTodo, listTodos, updateTodo } from "../db/todos.ts";
import { createUser } from "../db/users.ts";
import { migrate } from "../migrate/apply/dbmate.ts";
import { connect, type Database, sql } from "../postgres/mod.ts";
import { type DatabaseSettings, readDatabaseSettings } from "../postgres/settings.ts";
import { joinNodes, spread, workersOf } from "../tests/support/citus.ts";
import { administer } from "../tests/support/database.ts";
import { machine, median, record, smoke, table } from "./report.ts";

const [users, todos, clients, shards] = [200, 100, 8, 32];
const [rounds, seconds] = smoke ? [1, 1] : [3, 3];
const name = "slate_bench";

const any = () => 1 + Math.floor(Math.random() * users);
const caller = (id: number) => ({ ownerId: `${id}`, keyId: `${id}`, hash: "0".repeat(64) });
const todo = {
  description: "Mark the essay",
  completed: false,
  due_date: "2030-01-31T09:00:00Z",
  student_id: null,
};
const page = { sort: "id", descending: false, limit: 20 } as const;
const user = () => ({ name: "Ada", email: `${crypto.randomUUID()}@slate.example`, years_old: 36 });
const idempotency = () => ({
  operation: "createTodo",
  key: crypto.randomUUID(),
  hash: "0".repeat(64),
});

/** What is measured, for a user at random. */
const works: Record<string, (db: Database) => Promise<unknown[]>> = {
  "GET one todo": (db) => {
    const id = any();
    // The todos of one user are as far apart as there are users.
    return getTodo(db, caller(id), `${id + users * Math.floor(Math.random() * todos)}`);
  },
  "GET a page of 20": (db) => listTodos(db, caller(any()), page, {}),
  "PATCH a todo": (db) => {
    const id = any();
    return updateTodo(db, caller(id), `${id}`, { description: crypto.randomUUID() });
  },
  "POST a todo": (db) => createTodo(db, caller(any()), todo),
  "POST a todo with an idempotency key": (db) => createTodo(db, caller(any()), todo, idempotency()),
  "POST a user": (db) => createUser(db, caller(any()), user()),
};

interface Layout {
  name: string;
  nodes: DatabaseSettings[];
}

/** Makes the database anew on each node of a layout, with users who have todos. */
async function fill({ nodes }: Layout) {
  for (const node of nodes) {
    await administer(node, `drop database if exists ${name} with (force)`);
    await administer(node, `create database ${name} template template0`);
  }
  const settings = { ...nodes[0]!, database: name };
  if (nodes.length > 1) await joinNodes(nodes, name);
  await migrate(settings);
  if (nodes.length > 1) await spread(nodes, name, shards);
  const statements = [
    `insert into users (name, email)
      select 'Ada', n || '@slate.example' from generate_series(1, ${users}) n`,
    `insert into keys (owner_id, id, name, scope, secret_hash) overriding system value
      select n, n, 'bench', 'admin', decode(repeat('00', 32), 'hex')
      from generate_series(1, ${users}) n`,
    `insert into todos (owner_id, id, description) overriding system value
      select 1 + (n - 1) % ${users}, n, 'Mark the essay' from generate_series(1, ${
      users * todos
    }) n`,
    `select setval('todos_id_seq', ${users * todos})`,
    "vacuum analyze",
  ];
  const db = connect(settings, { size: 1, deadlineMs: 600_000 });
  for (const statement of statements) await db.script(statement);
  await db.close();
}

/** The milliseconds of processor time that a node has used so far, if it runs on this machine. */
async function processorTime(node: DatabaseSettings): Promise<number> {
  const db = connect(node, { size: 1 });
  const [row] = await db.query<{ pid: string }>(
    sql`select split_part(pg_read_file('postmaster.pid'), chr(10), 1) as pid`,
  );
  await db.close();
  let ticks = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    const stat = /^\d+$/.test(name)
      ? await Deno.readTextFile(`/proc/${name}/stat`).catch(() => "")
      : "";
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // Its own, and what its ended and its living children used.
    const own = fields.slice(11, 15).map(Number);
    if (name === row!.pid) ticks += own.reduce((sum, n) => sum + n, 0);
    else if (fields[1] === row!.pid) ticks += own[0]! + own[1]!;
  }
  return ticks * 10;
}

/** Requests a second, and the milliseconds of processor time of one on the first node and the rest. */
async function measure({ nodes }: Layout, work: (db: Database) => Promise<unknown[]>) {
  const db = connect({ ...nodes[0]!, database: name }, { size: clients });
  const times = () => Promise.all(nodes.map(processorTime));
  await Promise.all(Array.from({ length: clients }, () => work(db)));
  const before = await times();
  const start = performance.now();
  let done = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    while (performance.now() - start < 1000 * seconds) {
      const rows = await work(db);
      if (rows.length !== 1) throw new Error("the caller is nobody");
      done++;
    }
  }));
  const rate = done / (performance.now() - start) * 1000;
  const [first, ...others] = (await times()).map((time, i) => (time - before[i]!) / done);
  await db.close();
  return { rate, first: first!, others: others.reduce((sum, n) => sum + n, 0) };
}

const { settings } = readDatabaseSettings({ DATABASE_URL: Deno.env.get("TEST_CITUS_URL") });
if (!settings) throw new Error("TEST_CITUS_URL names no coordinator of a Citus cluster");
const workers = await workersOf(settings);
const layouts: Layout[] = [
  { name: "PostgreSQL", nodes: workers.slice(0, 1) },
  { name: "one worker", nodes: [settings, ...workers.slice(0, 1)] },
  { name: `${workers.length} workers`, nodes: [settings, ...workers] },
];
const found = new Map<string, Awaited<ReturnType<typeof measure>>[]>();
for (const layout of layouts) {
  await fill(layout);
  for (let round = 0; round < rounds; round++) {
    for (const [what, work] of Object.entries(works)) {
      const key = `${layout.name}: ${what}`;
      found.set(key, [...found.get(key) ?? [], await measure(layout, work)]);
    }
  }
  for (const node of layout.nodes) await administer(node, `drop database ${name} with (force)`);
}
const rows = Object.keys(works).map((what) => [
  what,
  ...layouts.flatMap(({ name, nodes }) => {
    const all = found.get(`${name}: ${what}`)!;
    const of = (key: "rate" | "first" | "others") => median(all.map((one) => one[key]));
    const times = nodes.length > 1 ? [of("first"), of("others")] : [of("first")];
    return [`${Math.round(of("rate"))}`, times.map((n) => n.toFixed(2)).join(" + ")];
  }),
]);
const head = layouts.flatMap(({ name }) => [`${name}: a second`, "ms"]);
await record(
  "Citus",
  `${table([["statement", ...head], ...rows])}

By \`bench/citus.ts\`: ${clients} connections, ${users} users with ${todos} todos, ${shards} shards,
the median of ${rounds} rounds of ${seconds} s. All nodes are on one machine (${machine()}),
so a second worker adds no processor. The milliseconds are processor time for one statement:
of the coordinator + of all workers.`,
);

// The connections of administer() are still open.
Deno.exit();

/** Behind PgBouncer in transaction mode, where a connection is another one after each statement. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { connect, type Database, DatabaseError, sql } from "../../postgres/mod.ts";
import { keepsStatements } from "../../postgres/pooler.ts";
import { connectReplica } from "../../postgres/replica.ts";
import { createDatabase, type TestDatabase, testServer } from "../support/database.ts";
import { pgbouncer, startPgbouncer } from "../support/pgbouncer.ts";
import { range } from "../support/writes.ts";
import { echo, pause, severalUnderWay, soon, until } from "../support/pool.ts";
import { createPooler } from "../support/pooler.ts";
import { openProxy } from "../support/proxy.ts";

const ignore = !pgbouncer;

/** A pool of ten through a PgBouncer with three connections to the server, and what it warns of. */
async function open(
  options: { preparedStatements?: boolean; mode?: "session" } = {},
) {
  const { mode, ...settings } = options;
  const database = await createDatabase({ empty: true });
  await database.db.script("create table writes (n int primary key)");
  const pooler = await startPgbouncer(undefined, mode);
  const warnings: string[] = [];
  const db = connect({ ...database.settings, ...settings, port: pooler.port }, {
    size: 10,
    deadlineMs: 60_000,
    warn: (text) => warnings.push(text),
  });
  return {
    db,
    database,
    pooler,
    warnings,
    async [Symbol.asyncDispose]() {
      await db.close();
      await this.pooler.stop();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** 32 callers, each with statements of its own beside one that they share; nothing may fail. */
async function work(db: Database, from: number) {
  await Promise.all(
    range(32).map(async (caller) => {
      for (const round of range(10)) {
        const n = from + caller * 100 + round;
        assertEquals(await echo(db, n), n);
        const [row] = await db.read<{ n: number }>(
          round % 2 ? sql`select ${n}::int as n, 1 as odd` : sql`select ${n}::int as n, 0 as even`,
        );
        assertEquals(row!.n, n);
        await db.query(sql`insert into writes values (${n})`);
        // What it says is never that a statement was not prepared.
        const error = await assertRejects(
          () => db.query(sql`insert into writes values (${n})`),
          DatabaseError,
        );
        assertEquals(error.code, "23505");
      }
    }),
  );
}

async function count({ db }: TestDatabase): Promise<number> {
  return (await db.query<{ n: number }>(sql`select count(*)::int as n from writes`))[0]!.n;
}

Deno.test({
  name: "a pooler that forgets prepared statements: nothing fails or hangs, and it is said once",
  ignore,
  async fn() {
    await using scene = await open();
    const { db, database, warnings, pooler } = scene;
    for (const round of range(3)) await work(db, round * 10_000);
    assertEquals(await count(database), 960);
    assertEquals(warnings.length, pooler.forgets ? 1 : 0);
  },
});

/** A statement whose messages fill more than a buffer of PgBouncer's, 4 kB. */
const long = (n: number) => sql`select ${n}::int as n, length(${"long".repeat(2000)})`;

Deno.test({
  name: "a pooler that forgets prepared statements: the very first burst breaks no connection",
  ignore,
  async fn() {
    await using scene = await open();
    const { db, warnings, pooler } = scene;
    for (const burst of range(20)) {
      const answers = range(100).map((n) => db.query<{ n: number }>(long(burst * 100 + n)));
      const rows = (await Promise.all(answers)).flat();
      assertEquals(rows.map(({ n }) => n), range(100).map((n) => burst * 100 + n));
    }
    assertEquals(warnings.length, pooler.forgets ? 1 : 0);
    if (pooler.forgets) assert(!await severalUnderWay(db));
    else await until(() => severalUnderWay(db));
  },
});

Deno.test({
  name: "a pooler that leaves each connection its server: several statements are under way on it",
  ignore,
  async fn() {
    await using scene = await open({ mode: "session" });
    const { db, warnings } = scene;
    await until(() => severalUnderWay(db));
    assertEquals(warnings, []);
  },
});

Deno.test("a pooler that deals out two servers in turn keeps none, however that falls", async () => {
  // One has the first and the other the second, again and again, if they are asked in turn as well.
  const deal = (nth: number) => [0, 0, 1][nth] ?? nth % 2;
  await using pooler = createPooler(testServer(), { size: 2, deal });
  const settings = { ...testServer(), host: "127.0.0.1", port: pooler.port };
  const options = {
    size: 1,
    deadlineMs: 60_000,
    idleMs: 60_000,
    applicationName: "slate",
    session: false,
    warn: () => {},
  };
  assert(!await keepsStatements(settings, options, new AbortController().signal));
});

Deno.test({
  name: "a connection that breaks while the pooler is asked says nothing about the pooler",
  ignore,
  async fn() {
    await using scene = await open({ mode: "session" });
    await using way = openProxy({ ...scene.database.settings, port: scene.pooler.port });
    way.delay(200);
    const warnings: string[] = [];
    const db = connect(way.settings, { size: 2, warn: (text) => warnings.push(text) });
    assertEquals(await echo(db, 1), 1);
    // Both connections that ask have had an answer: the first one is asked again after the other.
    await until(async () => {
      const [row] = await scene.database.db.query<{ asking: number }>(sql`
        with asking as (
          select pid from pg_stat_activity
          where datname = current_database() and query like '%pg_prepared_statements%'
          and pid <> pg_backend_pid())
        select count(pg_terminate_backend(pid))::int as asking from asking
        where (select count(*) from asking) = 2`);
      return row!.asking > 0;
    });
    way.heal();
    await until(() => severalUnderWay(db));
    assertEquals(warnings, []);
    await db.close();
  },
});

Deno.test({
  name: "a pooler with no more connections than the pool: none is missing while it is asked",
  ignore,
  async fn() {
    await using database = await createDatabase({ empty: true });
    const most = { mostClients: 10, servers: 10 };
    const pooler = await startPgbouncer(undefined, "session", most);
    await using way = openProxy({ ...database.settings, port: pooler.port });
    way.delay(50);
    const warnings: string[] = [];
    const db = connect(way.settings, { size: 10, warn: (text) => warnings.push(text) });
    await until(() => echo(db, 1).catch(() => 0).then(Boolean));
    await until(() => severalUnderWay(db));
    assertEquals(warnings, []);
    await db.close();
    await pooler.stop();
  },
});

Deno.test({
  name: "a pooler that cannot be asked, since it takes nobody more, is asked again, and it is said",
  ignore,
  async fn() {
    await using database = await createDatabase({ empty: true });
    const pooler = await startPgbouncer(undefined, "session", { mostClients: 3 });
    const settings = { ...database.settings, port: pooler.port };
    const warnings: string[] = [];
    const others = range(2).map(() =>
      connect({ ...settings, preparedStatements: false }, { size: 1 })
    );
    const db = connect(settings, { size: 1, warn: (text) => warnings.push(text) });
    // What looked whether the pooler is there may count for a moment longer.
    for (const one of [...others, db]) await until(() => echo(one, 1).catch(() => 0).then(Boolean));
    await until(() => warnings.length > 0);
    assertMatch(warnings[0]!, /could not be asked/);
    assert(!await severalUnderWay(db));
    await Promise.all(others.map((other) => other.close()));
    await until(() => severalUnderWay(db));
    assertEquals(warnings.length, 1);
    await db.close();
    await pooler.stop();
  },
});

Deno.test({
  name:
    "a replica behind a pooler that forgets prepared statements: what is said names its setting",
  ignore,
  async fn() {
    await using scene = await open();
    if (!scene.pooler.forgets) return;
    const settings = { ...scene.database.settings, port: scene.pooler.port };
    const warnings: string[] = [];
    const replica = connectReplica(settings, scene.database.db, {
      size: 2,
      warn: (text) => warnings.push(text),
    });
    await replica.after("0").read(sql`select null as caller_id`);
    const said = () => warnings.filter((text) => text.includes("forgets"));
    await until(() => said().length > 0);
    assertMatch(said()[0]!, / DATABASE_REPLICA_URL/);
    await replica.close();
  },
});

Deno.test({
  name: "close() does not wait for a pooler that is asked and says nothing",
  ignore,
  async fn() {
    await using scene = await open();
    await using way = openProxy({ ...scene.database.settings, port: scene.pooler.port });
    const db = connect(way.settings, { size: 1, deadlineMs: 600_000 });
    assertEquals(await echo(db, 1), 1);
    way.limit(0, "silence");
    await soon(db.close());
  },
});

Deno.test({
  name: "a pooler behind prepared_statements=false: nothing fails, and nothing needs to be said",
  ignore,
  async fn() {
    await using scene = await open({ preparedStatements: false });
    const { db, database, warnings } = scene;
    for (const round of range(2)) await work(db, round * 10_000);
    assertEquals(await count(database), 640);
    assertEquals(warnings, []);
    assert(!await severalUnderWay(db));
    const [row] = await database.db.query<{ n: number }>(sql`
      select count(*)::int as n from pg_stat_activity
      where datname = current_database() and application_name = 'slate'`);
    assert(row!.n <= 4 + 3, `${row!.n} connections`);
  },
});

Deno.test({
  name: "a pooler that is stopped under 32 callers: a write is done at most once, and all goes on",
  ignore,
  async fn() {
    await using scene = await open();
    const { db, database, pooler: { port } } = scene;
    let { pooler } = scene;
    let calling = true;
    let next = 0;
    const done = new Set<number>();
    const callers = range(32).map(async () => {
      while (calling) {
        const n = next++;
        await db.query(sql`insert into writes values (${n})`).then(() => done.add(n), (error) => {
          assert(error.name === "Unreachable", String(error));
          return pause(20);
        });
      }
    });
    const progress = (than: number) => until(() => done.size >= than + 32);
    for (let round = 0; round < 3; round++) {
      await progress(done.size);
      await pooler.stop("SIGKILL");
      await pause(100);
      pooler = scene.pooler = await startPgbouncer(port);
    }
    await progress(done.size);
    calling = false;
    await Promise.all(callers);
    // The primary key would have refused a write that was done twice: 23505 is no Unreachable.
    const rows = await database.db.query<{ n: number }>(sql`select n from writes`);
    const there = new Set(rows.map(({ n }) => n));
    assertEquals([...done].filter((n) => !there.has(n)), []);
    assertEquals(await echo(db, 7), 7);
  },
});

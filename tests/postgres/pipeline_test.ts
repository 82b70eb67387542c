/** Several statements under way on one connection: each is done or not, and answered, on its own. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Database, DatabaseError, DeadlinePassed, sql } from "../../postgres/mod.ts";
import { createProxy } from "../support/distance.ts";
import { createDatabase, type TestDatabase, testServer } from "../support/database.ts";
import { untilLocked } from "../support/locks.ts";
import { echo, never, pause, pidOf, pool, until } from "../support/pool.ts";
import { openProxy } from "../support/proxy.ts";
import { hold, range, readBack, withWrites, write, written } from "../support/writes.ts";

Deno.test("what is asked in one turn leaves in one write and waits for one round trip", async () => {
  await using proxy = openProxy(testServer());
  await using db = pool(proxy.settings, { size: 1 });
  await echo(db, 0);
  proxy.pieces = 0;
  assertEquals(await Promise.all(range(16).map((n) => echo(db, n))), range(16));
  assertEquals(proxy.pieces, 1);
});

Deno.test("far away, statements that come one after the other share few connections", async () => {
  await using way = createProxy(testServer(), 200);
  await using db = pool({ ...testServer(), host: "127.0.0.1", port: way.port }, { size: 16 });
  await echo(db, 0);
  // The time between them is no work of the server.
  for (let wave = 0; wave < 3; wave++) {
    const asked = [];
    for (const n of range(12)) {
      asked.push(echo(db, n));
      await pause(10);
    }
    assertEquals(await Promise.all(asked), range(12));
  }
  const { open } = db.stats();
  assert(open <= 3, `${open} connections for 12 short statements at a time`);
});

Deno.test("where the server takes no more connections, those that are open do the work", async () => {
  await using database = await createDatabase({ empty: true });
  const { db: admin, settings } = database;
  const [user, password] = [settings.database, crypto.randomUUID()];
  await admin.script(`create role ${user} login connection limit 2 password '${password}'`);
  {
    await using db = pool({ ...settings, user, password }, { size: 6 });
    await echo(db, 0);
    await Promise.all([...Array(300).keys()].map((n) => echo(db, n)));
    assertEquals(await db.backends(admin), 2);
    // There is room again, while those that are open are at work.
    const leave: (() => void)[] = [];
    const hold = (stop: () => void) => leave.push(stop);
    const slow = [1, 2].map(() => assertRejects(() => db.query(never, hold), DeadlinePassed));
    const waits = echo(db, 7);
    await admin.script(`alter role ${user} connection limit -1`);
    assertEquals(await waits, 7);
    for (const stop of leave) stop();
    await Promise.all(slow);
  }
  await admin.script(`drop role ${user}`);
});

Deno.test("a statement that fails among others undoes none of them", async () => {
  await using database = await withWrites();
  await using db = pool(database.settings, { size: 1 });
  await echo(db, 0);
  const results = await Promise.allSettled(
    range(32).map((n) => n % 3 === 0 ? db.query(sql`select 1 / ${0}::int`) : write(db, n)),
  );
  results.forEach((result, n) => {
    if (n % 3 > 0) return assertEquals(result.status, "fulfilled");
    assert(result.status === "rejected" && result.reason instanceof DatabaseError);
    assertEquals(result.reason.code, "22012");
  });
  assertEquals(
    await written(database),
    range(32).filter((n) => n % 3 > 0).map((n) => ({ n, times: 1 })),
  );
  assertEquals(await db.backends(database.db), 1);
});

Deno.test("what cannot be sent harms nobody beside it", async () => {
  await using db = pool(testServer(), { size: 1 });
  await echo(db, 0);
  const asked = range(10).map((n) =>
    n === 4
      ? assertRejects(() => db.query(sql`select ${undefined}::int`), TypeError, "$1").then(() => 4)
      : echo(db, n)
  );
  assertEquals(await Promise.all(asked), range(10));
});

Deno.test("nothing is put behind a statement that takes its time", async () => {
  await using database = await withWrites();
  await using db = pool(database.settings, { size: 2 });
  await Promise.all([echo(db, 1), echo(db, 2)]);
  let waits: Promise<unknown>;
  {
    await using _ = await hold(database);
    let ended = false;
    waits = db.query(sql`select n from locked for update`).finally(() => ended = true);
    await pause(100);
    // One that is put behind it waits until its deadline passes.
    for (let n = 0; n < 20; n++) assertEquals(await echo(db, n), n);
    assert(!ended, "it did not wait for the lock");
  }
  await waits;
});

Deno.test("what was sent behind a write that waits for a lock is answered; the write is done once", async () => {
  await using database = await withWrites();
  await using db = pool(database.settings, { size: 2 });
  await Promise.all([write(db, 0), echo(db, 2)]);
  let waits: Promise<unknown>;
  {
    await using _ = await hold(database);
    let ended = false;
    waits = db.query(sql`update locked set n = n + 10`).finally(() => ended = true);
    await Promise.all(range(30).map((n) => n % 2 ? write(db, n) : readBack(db, n)));
    assert(!ended, "it did not wait for the lock");
  }
  await waits;
  assertEquals(await database.db.query<unknown>(sql`select n from locked`), [{ n: 10 }]);
  const once = [0, ...range(30).filter((n) => n % 2)].map((n) => ({ n, times: 1 }));
  assertEquals(await written(database), once);
});

Deno.test("a deadline that passes stops its statement and no other", async () => {
  await using database = await withWrites();
  await using db = pool(database.settings, { size: 1 });
  for (let round = 0; round < 2; round++) {
    const from = round * 20;
    // The connection of the one that was late is not used again.
    await readBack(db, 0);
    // What comes back from there ends it as its deadline does.
    let pass = () => {};
    const late = assertRejects(() => db.query(never, (stop) => pass = stop), DeadlinePassed);
    const others = range(20).map((n) =>
      n % 2 ? write(db, from + n).then(() => from + n) : readBack(db, from + n)
    );
    assertEquals(await Promise.all(others), range(20).map((n) => from + n));
    pass();
    await late;
  }
  const rows = await written(database);
  assertEquals(rows.filter(({ times }) => times > 1), []);
  assertEquals(rows.length, 20);
});

Deno.test("statements of one connection whose callers have left are all stopped, each when its turn comes [48]", async () => {
  await using database = await withWrites();
  {
    await using _ = await hold(database);
    // It closes before the lock is free: nothing on the server waits for it then.
    await using db = pool(database.settings, { size: 1 });
    await readBack(db, 0);
    const leave: (() => void)[] = [];
    const left = range(5).map((n) =>
      assertRejects(
        () => db.query(sql`update locked set n = ${n}::int + 10`, (stop) => leave.push(stop)),
        DeadlinePassed,
      )
    );
    await untilLocked(database.db, "update locked");
    for (const stop of leave) stop();
    await Promise.all(left);
    assertEquals(await readBack(db, 7), 7);
  }
  assertEquals(await database.db.query<unknown>(sql`select n from locked`), [{ n: 0 }]);
});

Deno.test("a statement that is stopped before the server has read it is stopped all the same", async () => {
  await using database = await withWrites();
  await using proxy = openProxy(database.settings);
  await using db = pool(proxy.settings, { size: 1 });
  const terminate = sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'test %'`;
  // Where the request takes half a second, the connection may be closed before it is repeated.
  for (let took = Infinity; took > 500;) {
    await echo(db, 0);
    const before = proxy.pieces;
    proxy.letOvertake();
    let pass = () => {};
    const late = assertRejects(() => db.query(never, (stop) => pass = stop), DeadlinePassed);
    await until(() => proxy.pieces > before);
    const start = performance.now();
    pass();
    await late;
    await proxy.overtaken();
    took = performance.now() - start;
    await until(async () => {
      if (took > 500) await database.db.query(terminate);
      return await db.backends(database.db) === 0;
    });
  }
});

Deno.test("32 at once while backends are terminated: a read is answered, a write is done at most once", async () => {
  await using database = await withWrites();
  await using db = pool(database.settings, { size: 4 });
  await breakUnder(database, db, () =>
    database.db.query(sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'test %'
      order by random() limit 1`));
});

Deno.test("32 at once while the network cuts answers: a read is answered, a write is done at most once", async () => {
  await using database = await withWrites();
  await using proxy = openProxy(database.settings);
  await using db = pool(proxy.settings, { size: 4 });
  await breakUnder(database, db, async () => {
    const before = proxy.cuts;
    proxy.limit(2000, "cut");
    await until(() => proxy.cuts > before);
    proxy.heal();
  });
});

/** 32 callers read and write in turn while the connections break again and again. */
async function breakUnder(
  database: TestDatabase,
  db: Database,
  fault: () => Promise<unknown>,
) {
  let breaking = true;
  const done = new Set<number>();
  let failed = 0;
  let next = 0;
  async function call() {
    while (breaking) {
      const n = next++;
      const read = await readBack(db, n).catch((error) => error);
      // It is asked once more, and may meet the next fault there.
      if (read !== n) failed++;
      assert(read === n || read.name === "Unreachable", String(read));
      await write(db, n).then(() => done.add(n), (error) => {
        assert(error.name === "Unreachable", String(error));
        failed++;
      });
    }
  }
  const callers = range(32).map(call);
  for (let i = 0; i < 20; i++) {
    const before = done.size;
    await until(() => done.size >= before + 32);
    await fault();
  }
  breaking = false;
  await Promise.all(callers);
  const rows = await written(database);
  assertEquals(rows.filter(({ times }) => times > 1), []);
  const there = new Set(rows.map(({ n }) => n));
  assertEquals([...done].filter((n) => !there.has(n)), []);
  assert(failed > 0, "nothing broke");
  assertEquals(await echo(db, 7), 7);
}

Deno.test("a table that changes under many reads: each is answered", async () => {
  await using database = await withWrites();
  await using db = pool(database.settings, { size: 2 });
  await write(db, 1);
  const all = () => db.read<{ n: number }>(sql`select w.* from writes w where n = ${1}`);
  await all();
  for (let round = 0; round < 5; round++) {
    const asked = range(30).map(all);
    const change = database.db.script(`alter table writes add column c${round} int`);
    for (const rows of await Promise.all(asked)) assertEquals(rows[0]!.n, 1);
    await change;
    for (const rows of await Promise.all(range(30).map(all))) assertEquals(rows[0]!.n, 1);
  }
});

Deno.test("statements that must be alone are not kept waiting by those that share", async () => {
  await using database = await createDatabase({ empty: true });
  await using db = pool(database.settings, { size: 2 });
  let asking = true;
  const callers = range(16).map(async () => {
    while (asking) await echo(db, 1);
  });
  await pause(100);
  const pid = await pidOf(db);
  await Promise.all(range(10).map(() => db.script("select 1")));
  asking = false;
  await Promise.all(callers);
  assert(pid > 0);
});

/** Statements that take their time beside others: nobody waits behind them for long. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DatabaseError, DeadlinePassed, sql, type Statement } from "../../postgres/mod.ts";
import { createDatabase, testServer } from "../support/database.ts";
import { echo, never, pause, pidOf, pool, soon, until } from "../support/pool.ts";
import { openProxy } from "../support/proxy.ts";
import { hold, range, readBack, withWrites, write, written } from "../support/writes.ts";

Deno.test("nothing is put behind a slow statement, also where all before it were slow", async () => {
  await using database = await withWrites();
  await using db = pool(database.settings, { size: 2 });
  await Promise.all([echo(db, 1), echo(db, 2)]);
  await db.query(sql`select pg_sleep(0.5)`);
  let waits: Promise<unknown>;
  {
    await using _ = await hold(database);
    waits = db.query(sql`select n from locked for update`);
    await pause(700);
    const answer = echo(db, 3);
    assertEquals(db.stats().busy, 2);
    assertEquals(await answer, 3);
  }
  await waits;
});

Deno.test("who leaves a statement that is answered soon costs no connection", async () => {
  await using db = pool(testServer(), { size: 1 });
  // Where the machine is busy, an answer may take its time.
  await until(async () => {
    const pid = await pidOf(db);
    let leave = () => {};
    const left = assertRejects(
      () => db.query(sql`select 1`, (stop) => leave = stop),
      DeadlinePassed,
    );
    leave();
    await left;
    return await pidOf(db) === pid;
  });
});

Deno.test("a pool that is closed as soon as its first and only caller has left keeps no timer", async () => {
  await using database = await createDatabase({ empty: true });
  await using db = pool(database.settings, { size: 1 });
  let leave = () => {};
  const left = assertRejects(() => db.query(never, (stop) => leave = stop), DeadlinePassed);
  await until(async () => await db.backends(database.db) === 1);
  leave();
  await left;
});

Deno.test("who leaves behind a statement that takes its time does not stop it", async () => {
  await using database = await createDatabase({ empty: true });
  await database.db.script("create sequence tries");
  await using db = pool(database.settings, { size: 1 });
  for (const n of range(5)) await echo(db, n);
  let tries = 0;
  // On a busy machine it may take so long that it is stopped for those behind it.
  for (let round = 0; round < 20 && tries !== 1; round++) {
    await database.db.query(sql`select setval('tries', 1, false)`);
    const slow = db.query<{ n: number }>(sql`select nextval('tries')::int as n, pg_sleep(0.2)`);
    let leave = () => {};
    const left = assertRejects(() => db.query(never, (stop) => leave = stop), DeadlinePassed);
    await pause(100);
    leave();
    await left;
    tries = (await slow)[0]!.n;
  }
  assertEquals(tries, 1);
});

Deno.test("what was sent behind a statement whose caller has left, and one that waits for a lock, is answered", async () => {
  await using database = await withWrites();
  await using db = pool(database.settings, { size: 1 });
  await write(db, 0);
  let waits: Promise<unknown>;
  {
    await using _ = await hold(database);
    let leave = () => {};
    const left = assertRejects(() => db.query(never, (stop) => leave = stop), DeadlinePassed);
    waits = db.query(sql`update locked set n = n + 10`);
    const behind = range(10).map((n) => n % 2 ? write(db, n) : readBack(db, n));
    leave();
    await left;
    await soon(Promise.all(behind));
  }
  await waits;
  assertEquals(await database.db.query<unknown>(sql`select n from locked`), [{ n: 10 }]);
  const once = [0, 1, 3, 5, 7, 9].map((n) => ({ n, times: 1 }));
  assertEquals(await written(database), once);
});

Deno.test("a second in which this process is busy breaks nothing that waits behind a statement that is stopped", async () => {
  await using database = await withWrites();
  await using proxy = openProxy(database.settings);
  await using db = pool(proxy.settings, { size: 1 });
  await echo(db, 0);
  const before = proxy.accepted;
  let leave = () => {};
  const left = assertRejects(() => db.query(never, (stop) => leave = stop), DeadlinePassed);
  const behind = range(10).map((n) => write(db, n));
  leave();
  await left;
  // The request to stop it comes on a connection of its own.
  while (proxy.accepted === before) await pause(1);
  for (const start = performance.now(); performance.now() < start + 1100;);
  await Promise.all(behind);
  assertEquals(await written(database), range(10).map((n) => ({ n, times: 1 })));
});

Deno.test("where statements are slow, each has its connection to itself, until they are fast again", async () => {
  await using db = pool(testServer(), { size: 4 });
  await Promise.all(range(4).map((n) => echo(db, n)));
  /** How many of 16 are sent at once. */
  const sent = async (statement: Statement) => {
    const all = range(16).map(() => db.query(statement));
    const { underWay } = db.stats();
    await Promise.all(all);
    return underWay;
  };
  assertEquals(await sent(sql`select 1`), 16);
  await until(async () => await sent(sql`select pg_sleep(0.4)`) === 4);
  await until(async () => await sent(sql`select 1`) === 16);
});

Deno.test("a statement that was interrupted for another one is done again alone", async () => {
  await using database = await createDatabase({ empty: true });
  await using db = pool(database.settings, { size: 1 });
  let asking = true;
  const callers = range(4).map(async (n) => {
    while (asking) await echo(db, n);
  });
  const found = sql`
    from pg_stat_activity
    where datname = current_database() and state = 'active' and query ~ 'pg_sl[e]ep'`;
  const cancel = sql`select pg_cancel_backend(pid) ${found}`;
  const at = async (statement: Statement) => (await database.db.query(statement)).length > 0;
  // It may be over before it is found.
  await until(async () => {
    // The callers wait behind it.
    await db.query(sql`select pg_sleep(0.5)`);
    let over = false;
    const slow = db.query(sql`select pg_sleep(0.2)`).finally(() => over = true);
    let alone = false;
    while (!over && !await at(cancel));
    while (!over) {
      await pause(1);
      const { underWay, waiting } = db.stats();
      alone ||= underWay === 1 && waiting === 4;
    }
    await slow;
    return alone;
  });
  asking = false;
  await Promise.all(callers);
});

Deno.test("what the server's own statement_timeout ends is not begun again", async () => {
  await using database = await createDatabase({ empty: true });
  const { database: name } = database.settings;
  await database.db.script(`
    create sequence tries;
    alter database ${name} set statement_timeout = '300ms'`);
  await using db = pool(database.settings, { size: 2 });
  await echo(db, 1);
  let leave = () => {};
  const left = assertRejects(() => db.query(never, (stop) => leave = stop), DeadlinePassed);
  leave();
  await left;
  const slow = sql`select nextval('tries'), pg_sleep(600)`;
  const error = await assertRejects(() => db.query(slow), DatabaseError);
  assertEquals(error.code, "57014");
  assertEquals(await db.query<unknown>(sql`select nextval('tries')::int as n`), [{ n: 2 }]);
});

Deno.test("what is known to take its time holds up nothing that is asked in the same turn", async () => {
  await using db = pool(testServer(), { size: 4 });
  const slow = sql`select pg_sleep(0.5)`;
  await until(async () => {
    const answers = range(8).map((n) => echo(db, n));
    const { busy } = db.stats();
    await Promise.all(answers);
    return busy === 1;
  });
  await db.query(slow);
  let over = false;
  const waits = db.query(slow).finally(() => over = true);
  const answers = range(8).map((n) => echo(db, n));
  const { busy, underWay } = db.stats();
  assertEquals({ busy, underWay }, { busy: 2, underWay: 9 });
  assertEquals(await Promise.all(answers), range(8));
  assertEquals(over, false);
  await waits;
});

Deno.test("many slow statements at once of which nothing is known: few are begun twice", async () => {
  await using database = await createDatabase({ empty: true });
  await database.db.script("create sequence tries");
  await using db = pool(database.settings, { size: 8 });
  await echo(db, 1);
  await Promise.all(range(32).map(() => db.query(sql`select nextval('tries'), pg_sleep(0.5)`)));
  const [row] = await database.db.query<{ n: number }>(sql`select last_value::int as n from tries`);
  assert(row!.n < 48, `${row!.n} begun`);
});

Deno.test("behind many statements that wait for one lock nobody waits for each as long as for the first", async () => {
  await using database = await withWrites();
  await using db = pool(database.settings, { size: 16 });
  const update = sql`update locked set n = n + 1`;
  for (let n = 0; n < 20; n++) await db.query(update);
  // They may not all be on one connection; on a busy machine it takes longer to stop them.
  let steps = Infinity;
  for (let round = 0; round < 10 && steps > 55; round++) {
    let waiting: Promise<unknown>;
    {
      await using _ = await hold(database);
      waiting = Promise.all(range(12).map(() => db.query(update)));
      let over = false;
      const behind = echo(db, 7).finally(() => over = true);
      const together = db.stats().busy === 1;
      let step = 0;
      for (; !over; step++) await pause(25);
      if (together) steps = step;
      assertEquals(await behind, 7);
    }
    await waiting;
  }
  assert(steps <= 55, `${steps} steps`);
});

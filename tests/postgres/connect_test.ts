import { once } from "node:events";
import { type AddressInfo, connect as connectPlain, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { assert, assertEquals, assertNotMatch, assertRejects } from "@std/assert";
import { DatabaseError, DeadlinePassed, sql, Unreachable } from "../../postgres/mod.ts";
import { cancel } from "../../postgres/socket.ts";
import { createDatabase, testServer } from "../support/database.ts";
import { holdLock, untilLocked } from "../support/locks.ts";
import { echo, echoInTime, never, pause, pidOf, pool, until } from "../support/pool.ts";
import { freePort } from "../support/process.ts";
import { openProxy } from "../support/proxy.ts";

Deno.test("a wrong password is Unreachable with the server's code, and is not repeated", async () => {
  await using db = pool({ ...testServer(), user: "slate_nobody", password: "guess-me-not" });
  const error = await assertRejects(() => echo(db, 1), Unreachable);
  assert(["28P01", "28000"].includes(error.code!), `got ${error.code}`);
  assertNotMatch(Deno.inspect(error), /guess-me-not/);
});

Deno.test("a port that nobody listens on is Unreachable, and the message says where", async () => {
  const port = freePort();
  await using db = pool({ ...testServer(), host: "127.0.0.1", port });
  const error = await assertRejects(() => echo(db, 1), Unreachable, `127.0.0.1:${port}`);
  assertEquals(error.code, "ECONNREFUSED");
});

Deno.test("a name that nobody has is Unreachable", async () => {
  await using db = pool({ ...testServer(), host: "nowhere.invalid" });
  await assertRejects(() => echo(db, 1), Unreachable, "nowhere.invalid");
});

Deno.test("a database that does not exist is Unreachable and is not created", async () => {
  await using db = pool({ ...testServer(), database: "slate_no_such_database" });
  const error = await assertRejects(() => echo(db, 1), Unreachable);
  assertEquals(error.code, "3D000");
});

Deno.test("a backend that is terminated in flight fails its statement and no other", async () => {
  await using database = await createDatabase({ empty: true });
  await using db = pool(database.settings, { size: 1 });
  for (let round = 0; round < 10; round++) {
    const pid = await pidOf(db);
    const failing = assertRejects(() => db.query(never), Unreachable);
    await until(async () => {
      const [row] = await database.db.query<{ done: boolean }>(sql`
        select pg_terminate_backend(pid) as done from pg_stat_activity
        where pid = ${pid} and query like '%pg_sleep%' and state = 'active'
      `);
      return row?.done ?? false;
    });
    await failing;
    assertEquals(await echo(db, round), round);
  }
});

Deno.test("a read that is the first on its connection, which is reset, is asked once more", async () => {
  await using database = await createDatabase({ empty: true });
  const { host, port } = database.settings;
  const accepted: Socket[] = [];
  await using relay = createServer((near) => {
    accepted.push(near.on("error", () => {}));
    pipeline(near, connectPlain({ host, port }), near, () => {});
  }).listen(0, "127.0.0.1");
  await once(relay, "listening");
  const way = { host: "127.0.0.1", port: (relay.address() as AddressInfo).port };
  {
    await using db = pool({ ...database.settings, ...way }, { size: 1 });
    const lock = await holdLock(database.settings, "select pg_advisory_xact_lock(7)");
    const read = db.read<{ n: number }>(sql`select 7 as n from pg_advisory_xact_lock_shared(7)`);
    await untilLocked(database.db, "shared(7)");
    accepted[0]!.resetAndDestroy();
    await lock.commit();
    await lock[Symbol.asyncDispose]();
    assertEquals((await read)[0]!.n, 7);
  }
  assertEquals(accepted.length, 2);
});

Deno.test("a connection whose server only reads is not used again: the next may find the primary", async () => {
  await using database = await createDatabase({ empty: true });
  await using db = pool(database.settings, { size: 1 });
  await database.db.script("create table t ()");
  await db.query(sql`select set_config('default_transaction_read_only', 'on', false)`);
  const error = await assertRejects(
    () => db.query(sql`insert into t default values`),
    DatabaseError,
  );
  assertEquals(error.code, "25006");
  await db.query(sql`insert into t default values`);
});

Deno.test("a backend that is terminated while idle is replaced", async () => {
  await using database = await createDatabase({ empty: true });
  await using db = pool(database.settings, { size: 1 });
  for (let round = 0; round < 10; round++) {
    const pid = await pidOf(db);
    await database.db.query(sql`select pg_terminate_backend(${pid}::int, 5000)`);
    // The end may be on its way still: the statement that meets it is the only one that may fail.
    const met = await echo(db, -1).catch((error) => error);
    assert(met === -1 || met instanceof Unreachable, String(met));
    assertEquals(await echo(db, round), round);
  }
});

Deno.test("terminated among hundreds: every answer is the right one or Unreachable", async () => {
  await using database = await createDatabase({ empty: true });
  await using db = pool(database.settings, { size: 4 });
  const ask = (n: number) =>
    db.query<{ n: number }>(sql`select ${n}::int as n, pg_sleep(0.002)`).then((rows) => rows[0]!.n);
  let asked = 0;
  let failed = 0;
  let killing = true;
  const callers = Array.from({ length: 200 }, async () => {
    while (killing) {
      const n = asked++;
      const answer = await ask(n).catch((error) => error);
      if (answer === n) continue;
      assert(answer instanceof Unreachable, String(answer));
      failed++;
    }
  });
  let kills = 0;
  // One may meet a connection that is at nothing.
  for (; kills < 12 || failed === 0; kills++) {
    await database.db.query(sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'test %'
      order by random() limit 1
    `);
    await pause(20);
  }
  killing = false;
  await Promise.all(callers);
  // What was under way on the connection, 32 at most: whether it was done, nobody knows.
  assert(failed <= kills * 32, `${failed} failed of ${kills} terminated`);
  assertEquals(await Promise.all(Array.from({ length: 50 }, (_, n) => echo(db, n))), [
    ...Array(50).keys(),
  ]);
});

Deno.test("a server that accepts and hangs up is dialled once for each call", async () => {
  await using proxy = openProxy(testServer());
  await using db = pool(proxy.settings);
  proxy.limit(0, "cut");
  await assertRejects(() => echo(db, 1), Unreachable);
  await assertRejects(() => echo(db, 1), Unreachable);
  assertEquals(proxy.accepted, 2);
  proxy.heal();
  assertEquals(await echo(db, 3), 3);
});

Deno.test("a server that accepts and says nothing is given up at the deadline", async () => {
  await using proxy = openProxy(testServer());
  await using db = pool(proxy.settings, { size: 1, deadlineMs: 4000 });
  proxy.limit(0, "silence");
  await assertRejects(() => echo(db, 1), DeadlinePassed);
  await assertRejects(() => db.script("select 1"), DeadlinePassed);
  proxy.heal();
  assertEquals(await echoInTime(db, 3), 3);
});

for (const fault of ["cut", "silence"] as const) {
  Deno.test(`${fault} in the middle of an answer: that call fails, the next is right`, async () => {
    await using proxy = openProxy(testServer());
    const short = fault === "silence" ? { deadlineMs: 4000 } : {};
    await using db = pool(proxy.settings, { size: 1, ...short });
    for (let round = 0; round < 2; round++) {
      assertEquals(await echoInTime(db, round), round);
      proxy.limit(5000, fault);
      await assertRejects(
        () => db.query(sql`select repeat('x', 1000) from generate_series(1, 100)`),
        fault === "cut" ? Unreachable : DeadlinePassed,
      );
      proxy.heal();
    }
    assertEquals(await echoInTime(db, 7), 7);
  });
}

Deno.test("the deadline stops a statement, and a script, on the server as well", async () => {
  await using database = await createDatabase({ empty: true });
  await using db = pool(database.settings, { deadlineMs: 400 });
  await assertRejects(() => db.query(never), DeadlinePassed);
  await assertRejects(() => db.query(sql`select ${1}::int, pg_sleep(600)`), DeadlinePassed);
  await assertRejects(() => db.script("select 1; select pg_sleep(600)"), DeadlinePassed);
  await until(async () => await db.backends(database.db) === 0);
});

Deno.test("a proxy that lets nobody in, which it calls an ERROR, is Unreachable", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const text = "SERROR\0VERROR\0C53300\0Mtoo many connections\0\0";
  const refusal = new Uint8Array(5 + text.length);
  new TextEncoder().encodeInto(`E\0\0\0${String.fromCharCode(4 + text.length)}${text}`, refusal);
  const refusing = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1024));
    await connection.write(refusal);
    // Until the client hangs up.
    await connection.read(new Uint8Array(1024)).catch(() => {});
  })();
  await using db = pool({ ...testServer(), port: listener.addr.port });
  const error = await assertRejects(() => echo(db, 1), Unreachable, "too many connections");
  assertEquals(error.code, "53300");
  await refusing;
});

Deno.test("who asks a server to stop a statement stays until the server hangs up, as poolers want it", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const settings = { ...testServer(), port: listener.addr.port };
  const asked = cancel(settings, { pid: 7, secret: 9 }, () => {});
  {
    using connection = await listener.accept();
    const request = new Uint8Array(16);
    for (let at = 0; at < 16;) at += (await connection.read(request.subarray(at)))!;
    assertEquals(new DataView(request.buffer).getUint32(8), 7);
    // The end would come at once.
    const more = connection.read(new Uint8Array(1)).catch(() => {});
    assertEquals(await Promise.race([more, pause(100)]), undefined);
  }
  await asked;
});

Deno.test("after a deadline the next call is never answered with the late one's error", async () => {
  await using db = pool(testServer(), { size: 1, deadlineMs: 60 });
  for (let round = 0; round < 20; round++) {
    await assertRejects(() => db.query(never), DeadlinePassed);
    // A new connection may itself be too slow for so short a deadline on a busy machine.
    const answer = await echo(db, round).catch((error) => error);
    assert(answer === round || answer instanceof DeadlinePassed, String(answer));
  }
});

Deno.test("1,000 calls at once are each answered right by 10 connections", async () => {
  await using database = await createDatabase({ empty: true });
  await using db = pool(database.settings);
  const numbers = [...Array(1000).keys()];
  assertEquals(await Promise.all(numbers.map((n) => echo(db, n))), numbers);
  assertEquals(await db.backends(database.db), 10);
});

Deno.test("a full pool fails the calls that wait past their deadline, and only those", async () => {
  await using db = pool(testServer(), { size: 1, deadlineMs: 4000 });
  await Promise.all([1, 2, 3].map(() => assertRejects(() => db.query(never), DeadlinePassed)));
  assertEquals(await echoInTime(db, 5), 5);
});

Deno.test("close() lets the work in hand finish, refuses what waits and what comes", async () => {
  await using db = pool(testServer(), { size: 1 });
  const inHand = db.query<{ n: number }>(sql`select 7 as n, pg_sleep(0.5)`);
  const waits = assertRejects(() => db.query(never), Unreachable, "closing");
  await Promise.all([db.close(), db.close()]);
  assertEquals((await inHand)[0]!.n, 7);
  await waits;
  await assertRejects(() => echo(db, 1), Unreachable, "closed");
});

Deno.test("a database is reached through the folder of its Unix socket", async () => {
  const folder = await Deno.makeTempDir({ prefix: "slate-socket-" });
  {
    await using proxy = openProxy(testServer(), folder);
    await using db = pool(proxy.settings);
    assertEquals(await echo(db, 1), 1);
    assertEquals(proxy.accepted, 1);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an error that comes after a description shifts no answer to the next one", async () => {
  await using database = await createDatabase({ empty: true });
  await using proxy = openProxy(database.settings);
  const { database: name } = database.settings;
  await database.db.script(`alter database ${name} set statement_timeout = '50ms'`);
  await using db = pool(proxy.settings, { size: 1 });
  await echo(db, 0).catch(() => {});
  // The time passes before the description is there.
  proxy.delay(200);
  await db.describe(sql`select ${1}::int as n`);
  proxy.heal();
  for (let n = 0; n < 10; n++) {
    // One may itself take too long.
    const answer = await echo(db, n).catch((error) => error);
    assert(answer === n || answer.code === "57014", String(answer));
  }
});

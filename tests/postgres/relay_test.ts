/** Connections and requests that get lost on the way to the server. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type AddressInfo, connect as connectPlain, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Database, DeadlinePassed, sql, Unreachable } from "../../postgres/mod.ts";
import { untilLocked } from "../support/locks.ts";
import { echo, pause, pool, soon, until } from "../support/pool.ts";
import { hold, range, withWrites, write, written } from "../support/writes.ts";

/** The code of the request to stop a statement, of PostgreSQL's protocol. */
const cancelRequest = 80877102;

/** A database by way of a relay that treats each connection as it likes; `server` is where it leads. */
async function relayed(
  accept: (near: Socket, server: { host: string; port: number }, nth: number) => void,
) {
  const database = await withWrites();
  const { host, port } = database.settings;
  let accepted = 0;
  const relay = createServer({ allowHalfOpen: true }, (near) => {
    accept(near.on("error", () => {}), { host, port }, ++accepted);
  }).listen(0, "127.0.0.1");
  await once(relay, "listening");
  const way = { host: "127.0.0.1", port: (relay.address() as AddressInfo).port };
  return {
    database,
    settings: { ...database.settings, ...way },
    accepted: () => accepted,
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** Does work for which a second connection is dialled, since the first one has something slow. */
async function besideSlow<Result>(
  { database, accepted }: Awaited<ReturnType<typeof relayed>>,
  db: Database,
  work: () => Promise<Result>,
): Promise<Result> {
  for (const n of range(3)) await echo(db, n);
  let slow: Promise<unknown>;
  let result: Promise<Result>;
  {
    await using _ = await hold(database);
    slow = db.query(sql`select n from locked for update`);
    await pause(100);
    result = work();
    await until(() => accepted() === 2);
  }
  await slow;
  return await soon(result);
}

Deno.test("statements that wait for one lock are each stopped for those behind, however long a request to stop takes", async () => {
  const over = Promise.withResolvers<void>();
  await using relay = await relayed((near, server) => {
    const far = connectPlain(server).on("error", () => {});
    near.pipe(far);
    far.pipe(near, { end: false });
    // Who asks to stop a statement hears late that the server has hung up.
    far.on("close", async () => {
      await over.promise;
      near.destroy();
    });
  });
  await using db = pool(relay.settings, { size: 1 });
  for (const n of range(3)) await echo(db, n);
  let updates: Promise<unknown>;
  {
    await using _ = await hold(relay.database);
    updates = Promise.all(range(3).map(() => db.query(sql`update locked set n = n + 1`)));
    assertEquals(await soon(echo(db, 7)), 7);
  }
  await updates;
  over.resolve();
});

Deno.test("who is given a connection that does not open is served by one that is open, and it may open yet", async () => {
  const opening = Promise.withResolvers<void>();
  let hungUp = false;
  await using relay = await relayed(async (near, server, nth) => {
    near.on("close", () => hungUp = true);
    // The second one hears nothing for long.
    if (nth > 1) await opening.promise;
    pipeline(near, connectPlain(server), near, () => {});
  });
  await using db = pool(relay.settings, { size: 2 });
  assertEquals(await besideSlow(relay, db, () => echo(db, 7)), 7);
  opening.resolve();
  await until(async () => hungUp || await db.backends(relay.database.db) === 2);
  assert(!hungUp);
  await until(() => db.stats().busy === 0);
  // Each has a connection to itself.
  await Promise.all(range(2).map(() => db.query(sql`do 'begin perform pg_sleep(0.1); end'`)));
  assertEquals(relay.accepted(), 2);
});

Deno.test("who is hung up on while a connection opens is served by one that is open, once", async () => {
  await using relay = await relayed((near, server, nth) => {
    if (nth > 1) near.resume().end();
    else pipeline(near, connectPlain(server), near, () => {});
  });
  await using db = pool(relay.settings, { size: 2 });
  await besideSlow(relay, db, () => write(db, 7));
  assertEquals(await written(relay.database), [{ n: 7, times: 1 }]);
});

Deno.test("a request to stop a statement that is lost for a second is made again", async () => {
  let isDeaf = true;
  let lost = 0;
  await using relay = await relayed((near, server) => {
    near.once("data", (bytes) => {
      if (isDeaf && bytes.readUInt32BE(4) === cancelRequest) {
        lost++;
        return near.destroy();
      }
      const far = connectPlain(server);
      far.write(bytes);
      pipeline(near, far, near, () => {});
    });
  });
  await using db = pool(relay.settings, { size: 1 });
  for (const n of range(3)) await echo(db, n);
  let slow: Promise<unknown>;
  {
    await using _ = await hold(relay.database);
    slow = db.query(sql`update locked set n = n + 1`);
    const behind = echo(db, 7);
    await until(() => lost > 0);
    await pause(1500);
    isDeaf = false;
    assertEquals(await soon(behind), 7);
  }
  await slow;
});

const tooMany = "SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0";

/** How a server, or a pooler, keeps somebody out. */
const ways = {
  "by hanging up": (near: Socket) => near.destroy(),
  "by saying so": (near: Socket) => {
    const answer = Buffer.alloc(5 + tooMany.length);
    answer.write("E");
    answer.writeInt32BE(4 + tooMany.length, 1);
    answer.write(tooMany, 5);
    near.once("data", () => near.end(answer));
  },
};

for (const [way, keepOut] of Object.entries(ways)) {
  Deno.test(`of many calls at once at the start all are answered, where the server keeps most out ${way}`, async () => {
    await using relay = await relayed((near, server, nth) => {
      if (nth % 5 !== 0) keepOut(near);
      else pipeline(near, connectPlain(server), near, () => {});
    });
    await using db = pool(relay.settings, { size: 10 });
    await Promise.all(range(40).map((n) => write(db, n)));
    assertEquals(await written(relay.database), range(40).map((n) => ({ n, times: 1 })));
    assert(relay.accepted() <= 10);
  });

  Deno.test(`where a server keeps all out ${way}, each call is told so, at once`, async () => {
    await using relay = await relayed(keepOut);
    await using db = pool(relay.settings, { size: 10, deadlineMs: 600_000 });
    const calls = range(40).map((n) => assertRejects(() => write(db, n), Unreachable));
    await soon(Promise.all(calls));
    assert(relay.accepted() <= 40);
  });
}

Deno.test("who is kept out is told so where the others do not open for long", async () => {
  const hanging = Promise.withResolvers<Socket>();
  await using relay = await relayed((near, _, nth) => {
    if (nth === 1) hanging.resolve(near);
    else near.destroy();
  });
  await using db = pool(relay.settings, { size: 3, deadlineMs: 600_000 });
  const calls = range(3).map((n) => assertRejects(() => write(db, n), Unreachable));
  const near = await hanging.promise;
  await soon(Promise.all(calls.slice(1)));
  near.destroy();
  await soon(calls[0]!);
});

Deno.test("who is kept out waits for the only connection, also where it opens after more than a second", async () => {
  await using relay = await relayed(async (near, server, nth) => {
    if (nth > 1) return near.destroy();
    await pause(1500);
    pipeline(near, connectPlain(server), near, () => {});
  });
  await using db = pool(relay.settings, { size: 10, deadlineMs: 600_000 });
  await Promise.all(range(3).map((n) => write(db, n)));
  assertEquals(await written(relay.database), range(3).map((n) => ({ n, times: 1 })));
});

Deno.test("where none was let in, whoever is kept out next is told so before any other dial ends", async () => {
  const deadlineMs = 3000;
  await using relay = await relayed((near, _, nth) => {
    if (nth === 2) near.resume().on("end", () => near.destroy());
    else near.destroy();
  });
  await using db = pool(relay.settings, { size: 3, deadlineMs });
  await assertRejects(() => write(db, 1), Unreachable);
  const [hangs, ...others] = range(3).map((n) => write(db, n));
  const calls = [assertRejects(() => hangs!, DeadlinePassed)];
  calls.push(...others.map((call) => assertRejects(() => call, Unreachable)));
  await Promise.all(calls);
});

/** A call that is the first on its connection, and what is asked behind it while it waits for a lock. */
async function behindLocked(
  relay: Awaited<ReturnType<typeof relayed>>,
  db: Database,
  work: () => void | Promise<void>,
) {
  await using _ = await hold(relay.database);
  const first = db.query(sql`update locked set n = n + 1`);
  const behind = range(3).map((n) => write(db, n));
  const all = Promise.allSettled([first, ...behind]);
  await untilLocked(relay.database.db, "update locked");
  await work();
  return { all };
}

const statuses = async (all: Promise<PromiseSettledResult<unknown>[]>) =>
  (await soon(all)).map(({ status }) => status);

Deno.test("who waits is served where the first connection breaks at its first statement", async () => {
  const first = Promise.withResolvers<Socket>();
  await using relay = await relayed((near, server) => {
    first.resolve(near);
    pipeline(near, connectPlain(server), near, () => {});
  });
  await using db = pool(relay.settings, { size: 1, deadlineMs: 600_000 });
  const { all } = await behindLocked(relay, db, async () => {
    (await first.promise).destroy();
  });
  assertEquals(await statuses(all), ["rejected", "fulfilled", "fulfilled", "fulfilled"]);
  assertEquals(await written(relay.database), range(3).map((n) => ({ n, times: 1 })));
});

Deno.test("who is kept out waits for the only connection, also where its first statement takes its time", async () => {
  await using relay = await relayed((near, server, nth) => {
    if (nth > 1) near.destroy();
    else pipeline(near, connectPlain(server), near, () => {});
  });
  await using db = pool(relay.settings, { size: 10, deadlineMs: 600_000 });
  // They have dialled again by then.
  const { all } = await behindLocked(relay, db, () => until(() => relay.accepted() > 4));
  assertEquals(await statuses(all), range(4).map(() => "fulfilled"));
  assertEquals(await written(relay.database), range(3).map((n) => ({ n, times: 1 })));
});

Deno.test("of those who are kept out beside an open connection that breaks, only who is kept out again is told", async () => {
  const first = Promise.withResolvers<Socket>();
  let keptOut = Infinity;
  await using relay = await relayed((near, server, nth) => {
    if (nth === 1) first.resolve(near);
    else if (keptOut-- > 0) return near.destroy();
    pipeline(near, connectPlain(server), near, () => {});
  });
  await using db = pool(relay.settings, { size: 10, deadlineMs: 600_000 });
  const { all } = await behindLocked(relay, db, async () => {
    // Each has dialled three times by then, and none is at it.
    await until(() => relay.accepted() > 7 && db.stats().open === 1);
    keptOut = 1;
    (await first.promise).destroy();
  });
  const rejected = (await statuses(all)).filter((status) => status === "rejected");
  // The first one, and at most one that dialled again.
  assert(rejected.length <= 2);
});

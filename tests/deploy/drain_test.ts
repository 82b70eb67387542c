/** What becomes of requests while main.ts is told to stop [40]. */
import { assertEquals, assertMatch } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { type DatabaseSettings, databaseUrl } from "../../postgres/settings.ts";
import { asPatientApplication, createDatabase, type TestDatabase } from "../support/database.ts";
import { startLoad } from "../faults/load.ts";
import { holdLock, untilLocked } from "../support/locks.ts";
import { pause, until } from "../support/pool.ts";
import { startServer } from "../support/serve.ts";
import { dial, stopClock } from "../support/socket.ts";
import {
  freePort,
  patience,
  type Process,
  startProcess,
  untilRefused,
} from "../support/process.ts";
import { createWriters } from "../support/writers.ts";

interface Instance {
  url: string;
  process: Process;
}

async function startInstance(database: TestDatabase, drainMs?: number): Promise<Instance> {
  return await startOn(await asPatientApplication(database), freePort(), drainMs);
}

async function startOn(
  settings: DatabaseSettings,
  port: number,
  drainMs = 300_000,
): Promise<Instance> {
  const process = startProcess(["run", "--allow-net", "--allow-env", "--allow-read", "main.ts"], {
    DATABASE_URL: databaseUrl(settings),
    PORT: String(port),
    RATE_LIMIT: "0",
    ...patience,
    DRAIN_MS: String(drainMs),
  });
  await process.says(/"listening"/);
  return { url: `http://127.0.0.1:${port}`, process };
}

/** How many of the rows nobody was told of. */
async function untold({ db }: TestDatabase, acknowledged: Set<string>): Promise<number> {
  const rows = await db.query<{ description: string }>(sql`select description from todos`);
  assertEquals(new Set(rows.map((row) => row.description)).size, rows.length, "a row is doubled");
  return rows.length - acknowledged.size;
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`drain: ${signal} under load loses no answer, whatever else is open, and ends in time [40]`, async () => {
    await using database = await createDatabase();
    // Less than a body is waited for, and enough for all else.
    const { url, process } = await startInstance(database, 8000);
    await using _ended = process;
    const writers = await createWriters(database.db, 8);
    const { token } = writers[0]!;
    const head = `Host: x\r\nAuthorization: Bearer ${token}\r\n`;
    const load = startLoad(url, writers, true);
    await until(() => load.acknowledged.size > 20);

    await using holder = await holdLock(database.settings, "lock table students");
    const slow = fetch(`${url}/api/students`, { headers: { authorization: `Bearer ${token}` } });
    await untilLocked(database.db, "from students");
    // Right before the signal: a busy machine takes seconds for the above, and a body has ten.
    const port = Number(new URL(url).port);
    using stalled = await dial(port);
    await stalled.write(
      `POST /api/students HTTP/1.1\r\n${head}Content-Type: application/json\r\n` +
        `Content-Length: 100\r\n\r\n{"first_name":`,
    );
    using idle = await dial(port);
    await idle.write(`GET /api/health/live HTTP/1.1\r\n${head}\r\n`);
    await idle.until("}");

    process.interrupt(signal);
    await untilRefused(url);
    await holder.commit();
    const answer = await slow;
    assertEquals([answer.status, (await answer.json()).data], [200, []]);
    // Not 0: whoever stalls his body is cut off, and the log says so, and after how long.
    assertEquals(await process.ended, 1);
    assertMatch(process.output(), /still in flight after 8000 ms/);
    await load.stop();
    assertEquals([load.wrong, load.refused], [[], 0]);
    assertEquals(await untold(database, load.acknowledged), 0);
  });
}

Deno.test("drain: whoever has just come is answered, and who says nothing then is let go [40]", async () => {
  using clock = stopClock();
  const { server, port } = startServer();
  using quick = await dial(port);
  using silent = await dial(port);
  using third = await dial(port);
  const ask = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  // They are accepted in their order.
  await third.write(ask);
  assertMatch(await third.until("ok"), /^HTTP\/1\.1 200/);
  const over = server.shutdown();
  assertEquals(await third.rest(), "");
  await quick.write(ask);
  assertMatch(await quick.rest(), /^HTTP\/1\.1 200[\s\S]*ok$/);
  await clock.until(over, 100);
  assertEquals(await silent.rest(), "");
});

Deno.test("drain: whoever owes a body after the answer ends nothing, however long others take [40]", async () => {
  using clock = stopClock();
  const { promise: go, resolve } = Promise.withResolvers<void>();
  let begun = false;
  const { server, port } = startServer(async (request) => {
    if (request.method === "POST") return new Response("no", { status: 401 });
    begun = true;
    await go;
    return new Response("ok");
  });
  using owing = await dial(port);
  await owing.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{");
  assertMatch(await owing.until("no"), /^HTTP\/1\.1 401/);
  using slow = await dial(port);
  await slow.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await until(() => begun);
  const over = server.shutdown();
  await clock.until(untilRefused(`http://127.0.0.1:${port}`), 0);
  // Longer than an idle connection is kept; the clock is looked at four times a second.
  for (let n = 0; n < 10; n++) {
    clock.by(40_000);
    await pause(100);
  }
  resolve();
  assertMatch(await slow.rest(), /^HTTP\/1\.1 200[\s\S]*ok$/);
  await clock.until(over, 100);
});

Deno.test("drain: each answer says that it is the last one, and what is begun all the same is answered [40]", async () => {
  using clock = stopClock();
  const { promise: go, resolve } = Promise.withResolvers<void>();
  let begun = 0;
  const { server, port } = startServer(async () => {
    if (++begun === 1) await go;
    else await pause(50);
    return new Response(null, { status: 204 });
  });
  using client = await dial(port);
  const ask = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  // The second one is there when the first one is answered: as early as one can come.
  await client.write(ask + ask);
  await until(() => begun > 0);
  const over = server.shutdown();
  await clock.until(untilRefused(`http://127.0.0.1:${port}`), 0);
  resolve();
  assertMatch(
    await client.rest(),
    /^(HTTP\/1\.1 204 .+\r\nconnection: close\r\n(.+\r\n)+\r\n){2}$/,
  );
  await clock.until(over, 100);
});

Deno.test("drain: a request that was answered before its body came does not delay the end [40]", async () => {
  await using database = await createDatabase();
  const { url, process } = await startInstance(database);
  await using _ended = process;
  using early = await dial(Number(new URL(url).port));
  await early.write("POST /api/todos HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{");
  assertMatch(await early.until("}"), /^HTTP\/1\.1 401/);
  process.interrupt("SIGTERM");
  assertEquals(await process.ended, 0, "1 is whom the limit has cut off");
});

Deno.test("drain: three instances are restarted one after the other behind a proxy, and no request fails", async () => {
  await using database = await createDatabase();
  const ports = [freePort(), freePort(), freePort()];
  const settings = await asPatientApplication(database);
  const instances = await Promise.all(ports.map((port) => startOn(settings, port)));
  let turn = 0;
  // As any proxy does: whom it cannot reach, it passes over. What was sent may be sent again, since
  // each write has its idempotency key.
  await using proxy = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      const { method, headers } = request;
      const body = method === "POST" ? await request.bytes() : undefined;
      for (;;) {
        const url = instances[turn++ % instances.length]!.url + pathname + search;
        try {
          const response = await fetch(url, { method, headers, body });
          return new Response(await response.bytes(), response);
        } catch (error) {
          if (!(error instanceof TypeError)) throw error;
          await pause(10);
        }
      }
    },
  );
  const writers = await createWriters(database.db, 8);
  const load = startLoad(`http://127.0.0.1:${proxy.addr.port}`, writers, false);
  for (const [i, port] of ports.entries()) {
    const before = load.acknowledged.size;
    await until(() => load.acknowledged.size > before + 10);
    instances[i]!.process.interrupt("SIGTERM");
    assertEquals(await instances[i]!.process.ended, 0);
    instances[i] = await startOn(settings, port);
  }
  const before = load.acknowledged.size;
  await until(() => load.acknowledged.size > before + 10);
  await load.stop();
  assertEquals([load.wrong, load.refused], [[], 0]);
  assertEquals(await untold(database, load.acknowledged), 0);
  for (const { process } of instances) await process[Symbol.asyncDispose]();
});

/** What becomes of the statement of a caller who hangs up [48]. */
import { assertEquals } from "@std/assert";
import type { Database } from "../../postgres/mod.ts";
import { createApi } from "../support/api.ts";
import { countLocked, holdLock, untilLocked } from "../support/locks.ts";
import { soon, until } from "../support/pool.ts";
import { startServer } from "../support/serve.ts";
import { dial } from "../support/socket.ts";

/** A PATCH whose caller does nothing but wait. */
async function patch(port: number, id: number, key: string) {
  const connection = await dial(port);
  await connection.write(
    `PATCH /api/todos/${id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n` +
      `Content-Type: application/json\r\nContent-Length: 18\r\n\r\n{"completed":true}`,
  );
  return connection;
}

Deno.test("four abandoned PATCHes on a locked row, in a pool of four, keep nobody waiting for long [48]", async () => {
  await using api = await createApi({ waits: true });
  const { id } = (await api.call("POST /api/todos", { body: { description: "x" } })).json;
  const [ada, bob] = [await api.key("ada@example.com"), await api.key("bob@example.com")];
  const { server, port } = startServer((request, peer) => api.app.fetch(request, peer));
  const { settings, db } = api.database;
  const { id: owner } = (await api.call("GET /api/me")).json;
  await using _holder = await holdLock(
    settings,
    `select from todos where owner_id = ${owner} and id = ${id} for update`,
  );
  {
    using abandoned = new DisposableStack();
    for (let i = 0; i < 4; i++) abandoned.use(await patch(port, id, ada));
    await untilLocked(db, "update todos", 4);
  }
  // The row is never free.
  const me = await soon(
    fetch(`http://127.0.0.1:${port}/api/me`, { headers: { authorization: `Bearer ${bob}` } }),
  );
  assertEquals([me.status, (await me.json()).email], [200, "bob@example.com"]);
  await until(async () => await countLocked(db, "update todos") === 0);
  assertEquals((await api.call(`GET /api/todos/${id}`)).json.version, 1);
  await server.shutdown();
});

Deno.test("requests that wait for their turn and are abandoned are never begun [48]", async () => {
  await using first = await createApi({ waits: true });
  let begun = 0;
  const query: Database["query"] = (...given) => {
    begun++;
    return first.db.query(...given);
  };
  await using api = await createApi({
    db: { ...first.db, query },
    concurrencyLimit: 64,
    poolSize: 4,
  });
  const key = await first.key("ada@example.com");
  const { id } = (await first.call("POST /api/todos", { body: { description: "x" } })).json;
  let watched = 0;
  const { get } = Object.getOwnPropertyDescriptor(Request.prototype, "signal")!;
  const { server, port } = startServer((request, peer) => {
    const signal = () => {
      watched++;
      return get!.call(request);
    };
    Object.defineProperty(request, "signal", { get: signal });
    return api.app.fetch(request, peer);
  });
  const headers = { authorization: `Bearer ${key}` };
  await (await fetch(`http://127.0.0.1:${port}/api/me`, { headers })).body?.cancel();
  const { id: owner } = (await first.call("GET /api/me")).json;
  await using holder = await holdLock(
    first.database.settings,
    `select from todos where owner_id = ${owner} and id = ${id} for update`,
  );
  {
    using abandoned = new DisposableStack();
    for (let i = 0; i < 20; i++) abandoned.use(await patch(port, id, key));
    // The server has an eye on each of them by now.
    await until(() => watched === 20 && begun >= 2);
    assertEquals(begun, 2);
  }
  await until(() => api.log.filter((line) => /"PATCH"/.test(line)).length === 20);
  await holder.commit();
  await server.shutdown();
  assertEquals(begun, 2);
});

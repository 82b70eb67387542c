/** What becomes of the statement of a caller who hangs up [48]. */
import { assertEquals, assertLess } from "@std/assert";
import { type Database, sql } from "../../postgres/mod.ts";
import { createApi } from "../support/api.ts";
import { testWorkers } from "../support/database.ts";
import { pool, until } from "../support/pool.ts";
import { startServer } from "../support/serve.ts";
import { dial } from "../support/socket.ts";

/** The coordinator of a cluster does not know who waits for a lock on another node. */
const onOtherNodes = testWorkers().length > 0;

Deno.test("four abandoned PATCHes on a locked row, in a pool of four, keep nobody waiting for long [48]", async () => {
  await using api = await createApi();
  const { id } = (await api.call("POST /api/todos", { body: { description: "x" } })).json;
  const [ada, bob] = [await api.key("ada@example.com"), await api.key("bob@example.com")];
  const { server, port } = startServer((request, peer) => api.app.fetch(request, peer));
  await using holder = pool(api.database.settings, { size: 1 });
  const { id: owner } = (await api.call("GET /api/me")).json;
  const held = holder.script(
    `begin; select from todos where owner_id = ${owner} and id = ${id} for update;
    select pg_sleep(4); commit`,
  );
  const waiting = async () =>
    (await api.database.db.query(sql`
      select from pg_stat_activity
      where datname = current_database() and state = 'active' and pid <> pg_backend_pid()
        and (wait_event_type = 'Lock' or ${onOtherNodes}) and position('update todos' in query) > 0`))
      .length;
  await until(async () =>
    (await api.database.db.query(sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event = 'PgSleep'`)).length === 1
  );
  {
    using abandoned = new DisposableStack();
    for (let i = 0; i < 4; i++) {
      const connection = abandoned.use(await dial(port));
      await connection.write(
        `PATCH /api/todos/${id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ada}\r\n` +
          `Content-Type: application/json\r\nContent-Length: 18\r\n\r\n{"completed":true}`,
      );
    }
    await until(async () => await waiting() === 4);
  }
  const started = performance.now();
  const me = await fetch(`http://127.0.0.1:${port}/api/me`, {
    headers: { authorization: `Bearer ${bob}` },
  });
  assertEquals([me.status, (await me.json()).email], [200, "bob@example.com"]);
  assertLess(performance.now() - started, 2500); // less than the row is locked
  await until(async () => await waiting() === 0);
  await held;
  assertEquals((await api.call(`GET /api/todos/${id}`)).json.version, 1);
  await server.shutdown();
});

Deno.test("requests that wait for their turn and are abandoned are never begun [48]", async () => {
  await using first = await createApi();
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
  const { server, port } = startServer((request, peer) => api.app.fetch(request, peer));
  const headers = { authorization: `Bearer ${key}` };
  await (await fetch(`http://127.0.0.1:${port}/api/me`, { headers })).body?.cancel();
  await using holder = pool(first.database.settings, { size: 1 });
  const { id: owner } = (await first.call("GET /api/me")).json;
  const held = holder.script(
    `begin; select from todos where owner_id = ${owner} and id = ${id} for update;
    select pg_sleep(5); commit`,
  );
  const asleep = async () =>
    (await first.database.db.query(sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event = 'PgSleep'`)).length === 1;
  await until(asleep);
  {
    using abandoned = new DisposableStack();
    for (let i = 0; i < 20; i++) {
      const connection = abandoned.use(await dial(port));
      await connection.write(
        `PATCH /api/todos/${id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n` +
          `Content-Type: application/json\r\nContent-Length: 18\r\n\r\n{"completed":true}`,
      );
    }
    await until(() => Promise.resolve(begun === 2));
    // All of them are looked after by now.
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  await until(() => Promise.resolve(api.log.filter((line) => /"PATCH"/.test(line)).length === 20));
  assertEquals(begun, 2);
  await held;
  await server.shutdown();
});

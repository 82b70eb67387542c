/** When a caller's place among the requests in flight is free again. */
import { assertEquals, assertRejects } from "@std/assert";
import { Hono } from "hono";
import { type Database, Unreachable } from "../../postgres/mod.ts";
import { jsonBytes } from "../../routes/_download.ts";
import { Problem } from "../../routes/_problem.ts";
import { type Leave, Shares } from "../../routes/_share.ts";
import { createApi, type TestApi } from "../support/api.ts";
import { stopClock } from "../support/socket.ts";

/** The same API, whose database can be taken away. */
async function startApi(api: TestApi) {
  let away = false;
  const answer = (kind: "query" | "read"): Database["query"] => (...given) =>
    away ? Promise.reject(new Unreachable("taken away")) : api.db[kind](...given);
  const db: Database = { ...api.db, query: answer("query"), read: answer("read") };
  const second = await createApi({ db, concurrencyLimit: 4, poolSize: 8 });
  return { ...second, take: () => void (away = true), giveBack: () => void (away = false) };
}

Deno.test("a malformed request while the database is away takes nobody's place for ever [44]", async () => {
  await using first = await createApi();
  await using api = await startApi(first);
  const key = await first.key("ada@example.com");
  const malformed = () => api.call("GET /api/todos?limit=0", { key });
  assertEquals((await malformed()).status, 400);
  api.take();
  for (let n = 0; n < 6; n++) assertEquals((await malformed()).status, 503);
  api.giveBack();
  assertEquals((await malformed()).status, 400);
  assertEquals((await api.call("GET /api/me", { key })).status, 200);
});

Deno.test("a good key that is tried while the database is away is no guess [43]", async () => {
  await using first = await createApi();
  await using api = await startApi(first);
  const address = "192.0.2.7";
  const [, , owner] = (await first.key("ada@example.com")).split("_");
  const keys = await Promise.all(
    Array.from({ length: 30 }, () => first.key("ada@example.com")),
  );
  assertEquals(keys.every((key) => key.split("_")[2] === owner), true);
  api.take();
  await Promise.all(keys.map((key) => api.call("GET /api/me", { key, address })));
  api.giveBack();
  for (const key of keys) {
    assertEquals((await api.call("GET /api/me", { key, address })).status, 200);
  }
});

Deno.test("a long answer that is not read keeps its place, and another caller is answered [44]", async () => {
  await using api = await createApi({ concurrencyLimit: 4, poolSize: 8 });
  const [ada, bob] = [await api.key("ada@example.com"), await api.key("bob@example.com")];
  const items = Array(10).fill({ description: "x".repeat(6000) });
  for (let n = 0; n < 2; n++) {
    await api.call("POST /api/todos/batch", { key: ada, body: { items } });
  }
  const ask = (method = "GET") =>
    api.app.request("/api/todos?limit=100", {
      method,
      headers: { authorization: `Bearer ${ada}` },
    });
  const unread = [await ask(), await ask(), await ask(), await ask()];
  assertEquals(unread.map(({ status }) => status), [200, 200, 200, 200]);
  const refused = await api.call("GET /api/me", { key: ada });
  assertEquals([refused.status, refused.json.code], [429, "rate_limited"]);
  assertEquals((await api.call("GET /api/me", { key: bob })).status, 200);
  assertEquals((await unread[0]!.json()).data.length, 20);
  assertEquals((await api.call("GET /api/me", { key: ada })).status, 200);
  for (const answer of unread.slice(1)) await answer.body!.cancel();
  // The answer to HEAD has no body that could be read.
  for (let n = 0; n < 5; n++) assertEquals((await ask("HEAD")).status, 200);
  assertEquals((await api.call("GET /api/me", { key: ada })).status, 200);
});

Deno.test("who has 8 MB of long answers yet to read is refused until they are read [44]", async () => {
  await using api = await createApi({ concurrencyLimit: 64 });
  const key = await api.key("ada@example.com");
  const items = Array(10).fill({ description: "x".repeat(6000) });
  for (let n = 0; n < 10; n++) await api.call("POST /api/todos/batch", { key, body: { items } });
  const ask = async () =>
    await api.app.request("/api/todos?limit=100", { headers: { authorization: `Bearer ${key}` } });
  const { length } = await (await ask()).text();
  const fit = Math.ceil(8 * 1024 * 1024 / length);
  // All of them are let in before any is answered.
  const asked = await Promise.all(Array.from({ length: fit + 10 }, ask));
  const unread = asked.filter(({ status }) => status === 200);
  assertEquals(unread.length, fit);
  for (const { status, body } of asked) if (status === 429) await body?.cancel();
  assertEquals((await api.call("GET /api/me", { key })).status, 429);
  const bob = await api.key("bob@example.com");
  assertEquals((await api.call("GET /api/me", { key: bob })).status, 200);
  await unread[0]!.text();
  assertEquals((await api.call("GET /api/me", { key })).status, 200);
  for (const answer of unread.slice(1)) await answer.body!.cancel();
});

Deno.test("what a caller's quick requests have earned lasts until the next burst, and no longer [44]", () => {
  using clock = stopClock();
  const shares = new Shares(64, 2);
  const burst = (size: number) => Array.from({ length: size }, () => shares.enter("ada"));
  const end = (places: (Leave | Promise<Leave>)[]) => {
    for (const leave of places) (leave as Leave)();
  };
  // Each quick one lets eight more run.
  end(burst(2));
  clock.by(5);
  const next = burst(18);
  assertEquals(next.filter((place) => place instanceof Promise), []);
  end(next);
  clock.by(20);
  const [one, two, three] = burst(3);
  assertEquals([one, two, three].map((place) => place instanceof Promise), [false, false, true]);
  end([one!, two!]);
});

Deno.test("64 MB of long answers are unread at most, whoever asked: the one that nobody reads makes room [44]", async () => {
  using clock = stopClock();
  const sent: Promise<void>[] = [];
  // A caller's share is 8 MB, so that many accounts would have any number of them.
  const page = "x".repeat(4 * 1024 * 1024);
  const app = new Hono<{ Variables: { callerId: string; sent: Promise<void> } }>()
    .get("/:caller", (c) => {
      c.set("callerId", c.req.param("caller"));
      const body = jsonBytes(c, page);
      sent.push(c.get("sent"));
      return new Response(body);
    })
    .onError((error) => new Response(null, { status: error instanceof Problem ? 429 : 500 }));
  let n = 0;
  const ask = async () => await app.request(`/${n++}`);
  const unread = await Promise.all(Array.from({ length: 16 }, ask));
  assertEquals(unread.map(({ status }) => status), Array(16).fill(200));
  assertEquals((await ask()).status, 429);
  clock.by(1100);
  const last = await ask();
  assertEquals(last.status, 200);
  // The first of all was ended, and has given its place back.
  await sent[0];
  await assertRejects(() => unread[0]!.text(), Error, "nobody reads it");
  for (const answer of [...unread.slice(1), last]) await answer.body!.cancel();
  await Promise.all(sent);
  const again = await Promise.all(Array.from({ length: 16 }, ask));
  assertEquals(again.map(({ status }) => status), Array(16).fill(200));
  for (const answer of again) await answer.body!.cancel();
});

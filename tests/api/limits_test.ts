import { assert, assertEquals, assertMatch } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { setTimeout as pause } from "node:timers/promises";
import type { Statement } from "../../postgres/mod.ts";
import { createApi, type TestApi } from "../support/api.ts";
import { createDatabase } from "../support/database.ts";
import { holdLock, untilLocked } from "../support/locks.ts";
import { soon } from "../support/pool.ts";

async function statuses(n: number, call: () => ReturnType<TestApi["call"]>) {
  const all = [];
  for (let i = 0; i < n; i++) all.push((await call()).status);
  return all;
}

const badKey = `slate_test_1_1_${"A".repeat(43)}`;

Deno.test("RateLimit and RateLimit-Policy count down to 429 with Retry-After, and a minute later it goes on [36]", async () => {
  await using api = await createApi({ rateLimit: 3 });
  for (const left of [2, 1, 0]) {
    const { status, headers } = await api.call("GET /api/me");
    assertEquals(status, 200);
    assertEquals(headers.get("ratelimit-policy"), '"caller";q=3;w=60');
    assertMatch(headers.get("ratelimit")!, new RegExp(`^"caller";r=${left};t=([1-5]?\\d|60)$`));
  }
  const refused = await api.call("GET /api/me");
  assertEquals([refused.status, refused.json.code], [429, "rate_limited"]);
  assertMatch(refused.headers.get("retry-after")!, /^([1-5]?\d|60)$/);
  assertMatch(refused.headers.get("ratelimit")!, /^"caller";r=0;t=/);
  // Whom SlateRefusing is about.
  const { status, caller_id } = JSON.parse(api.log.at(-1)!);
  assertEquals([status, caller_id], [429, "1"]);
  using _ = new FakeTime(Date.now() + 61_000);
  assertEquals((await api.call("GET /api/me")).status, 200);
});

Deno.test("a request that fails counts as one that succeeds [36]", async () => {
  await using api = await createApi({ rateLimit: 2 });
  assertEquals((await api.call("GET /api/keys?limit=0")).status, 400);
  const { headers } = await api.call("GET /api/users/1");
  assertMatch(headers.get("ratelimit")!, /^"caller";r=0;/);
  assertEquals((await api.call("GET /api/me")).status, 429);
});

Deno.test("callers are counted apart, the keys of one caller together [36]", async () => {
  await using api = await createApi({ rateLimit: 3 });
  const [first, second] = [await api.key("ada@example.com"), await api.key("ada@example.com")];
  const other = await api.key("bob@example.com");
  assertEquals((await api.call("GET /api/me", { key: first })).status, 200);
  assertEquals((await api.call("GET /api/me", { key: second })).status, 200);
  assertMatch(
    (await api.call("GET /api/me", { key: first })).headers.get("ratelimit")!,
    /^"caller";r=0;/,
  );
  assertEquals((await api.call("GET /api/me", { key: first })).status, 429);
  assertEquals((await api.call("GET /api/me", { key: second })).status, 429);
  assertEquals((await api.call("GET /api/me", { key: other })).status, 200);
});

Deno.test("of 30 requests at once with a limit of 10, 10 pass [36]", async () => {
  await using api = await createApi({ rateLimit: 10 });
  const answers = await Promise.all(Array.from({ length: 30 }, () => api.call("GET /api/me")));
  assertEquals(answers.filter(({ status }) => status === 200).length, 10);
  assertEquals(answers.filter(({ status }) => status === 429).length, 20);
  assertEquals((await api.call("GET /api/me")).status, 429);
  const second = await api.key("ada@example.com");
  assertEquals((await api.call("GET /api/me", { key: second })).status, 200);
  assertEquals((await api.call("GET /api/me", { key: second })).status, 429);
});

Deno.test("a key's id without its secret uses up none of its requests [36]", async () => {
  await using api = await createApi({ rateLimit: 5 });
  const key = await api.key("eve@example.com");
  const forged = key.slice(0, -43) + "A".repeat(43);
  assertEquals(
    new Set(await statuses(10, () => api.call("GET /api/me", { key: forged }))),
    new Set([401]),
  );
  assertMatch((await api.call("GET /api/me", { key })).headers.get("ratelimit")!, /;r=4;/);
});

Deno.test("RATE_LIMIT=0 counts nothing and sends no header [36]", async () => {
  await using api = await createApi({ rateLimit: 0 });
  const { status, headers } = await api.call("GET /api/me");
  assertEquals([status, headers.get("ratelimit"), headers.get("ratelimit-policy")], [
    200,
    null,
    null,
  ]);
});

Deno.test("20 failed authentications a minute from one address: then 429, except for known keys and other addresses [36]", async () => {
  await using api = await createApi();
  const from = (address: string, key: string | null = badKey) => () =>
    api.call("GET /api/keys", { address, key });
  const good = await api.key("ada@example.com");
  await from("192.0.2.1", good)();
  assertEquals(new Set(await statuses(10, from("192.0.2.1"))), new Set([401]));
  assertEquals(new Set(await statuses(10, from("192.0.2.1", "nonsense"))), new Set([401]));
  const refused = await from("192.0.2.1")();
  assertEquals([refused.status, refused.json.code], [429, "rate_limited"]);
  assert(Number(refused.headers.get("retry-after")) >= 1);
  assertEquals((await from("192.0.2.1", good)()).status, 200);
  assertEquals((await from("192.0.2.2")()).status, 401);
  const fresh = await api.key("ada@example.com");
  assertEquals((await from("192.0.2.1", fresh)()).status, 200, "nobody knows it yet");
  using _ = new FakeTime(Date.now() + 61_000);
  assertEquals(new Set(await statuses(20, from("192.0.2.1"))), new Set([401]));
  assertEquals((await from("192.0.2.1")()).status, 429);
  assertEquals((await from("192.0.2.1", good)()).status, 200, "it is known from before");
});

Deno.test("the address of IPv6 is its /64 network, and a mapped IPv4 is itself [36]", async () => {
  await using api = await createApi();
  let n = 0;
  const call = (address: string) => api.call("GET /api/me", { address, key: badKey });
  await statuses(20, () => call(`2001:db8:0:7::${(++n).toString(16)}`));
  assertEquals((await call("2001:db8::7:1:2:3:4")).status, 429);
  assertEquals((await call("2001:db8:0:8::1")).status, 401);
  await statuses(20, () => call("::ffff:192.0.2.9"));
  assertEquals((await call("192.0.2.9")).status, 429);
});

Deno.test("a proxy's header is trusted only if it is configured, and then only its last address [36]", async () => {
  const call = (api: TestApi, forwarded: string) =>
    api.call("GET /api/me", {
      address: "192.0.2.1",
      key: badKey,
      headers: { "x-forwarded-for": forwarded },
    });
  await using wary = await createApi();
  let n = 0;
  await statuses(20, () => call(wary, `198.51.100.${++n}`));
  assertEquals((await call(wary, "198.51.100.99")).status, 429);
  await using trusting = await createApi({ trustedProxyHeader: "X-Forwarded-For" });
  await statuses(20, () => call(trusting, `203.0.113.${++n}, 198.51.100.1`));
  assertEquals((await call(trusting, "203.0.113.99, 198.51.100.1")).status, 429);
  assertEquals((await call(trusting, "198.51.100.1, 203.0.113.99")).status, 401);
});

/** Keys that could be good, of users that nobody asks for. */
const wrongKeys = (n: number) =>
  Array.from({ length: n }, (_, i) => `slate_test_${900_000 + i}_1_${"A".repeat(43)}`);

const count = (answers: { status: number }[], status: number) =>
  answers.filter((answer) => answer.status === status).length;

Deno.test("a request without a key is no guess: 200 of them lock nobody at their address out [43]", async () => {
  await using api = await createApi();
  const address = "192.0.2.1";
  const none = () => api.call("GET /api/keys", { address, key: null });
  assertEquals(new Set(await statuses(200, none)), new Set([401]));
  const unseen = await api.key("new@example.com");
  assertEquals((await api.call("GET /api/me", { address, key: unseen })).status, 200);
});

Deno.test("of 1,000 wrong keys at once 120 are tried; after 100 a good one is still admitted [43]", async () => {
  await using api = await createApi();
  const address = "192.0.2.1";
  const call = (key: string) => api.call("GET /api/me", { address, key });
  assertEquals(count(await Promise.all(wrongKeys(100).map(call)), 401), 100);
  assertEquals((await call("slate_test_1_1_x")).status, 429);
  assertEquals((await call(await api.key("new@example.com"))).status, 200);
  const others = await Promise.all(
    wrongKeys(1000).map((key) => api.call("GET /api/me", { address: "192.0.2.2", key })),
  );
  assertEquals([count(others, 401), count(others, 429)], [120, 880]);
});

Deno.test("300 good keys behind one address, all at once after a start, are all admitted [43]", async () => {
  await using api = await createApi();
  const keys = [];
  for (let i = 0; i < 300; i++) keys.push(await api.key(`user${i}@example.com`));
  const answers = await Promise.all(
    keys.map((key) => api.call("GET /api/me", { address: "192.0.2.1", key })),
  );
  assertEquals(count(answers, 200), 300);
});

Deno.test("one wrong key sent 1,000 times at once costs the database two statements [43]", async () => {
  await using database = await createDatabase();
  let asked = 0;
  const db = {
    ...database.db,
    query<Row>(statement: Statement) {
      asked++;
      return database.db.query<Row>(statement);
    },
    read<Row>(statement: Statement) {
      asked++;
      return database.db.read<Row>(statement);
    },
  };
  await using api = await createApi({ db });
  const [key] = wrongKeys(1);
  const answers = await Promise.all(
    Array.from({ length: 1000 }, () => api.call("GET /api/me", { address: "192.0.2.1", key })),
  );
  assertEquals([count(answers, 401), count(answers, 429), asked], [120, 880, 2]);
});

Deno.test("ten new keys of one user, used at once, share the user's limit [36][43]", async () => {
  await using api = await createApi({ rateLimit: 10 });
  const keys = [];
  for (let i = 0; i < 10; i++) keys.push(await api.key("eve@example.com"));
  const answers = await Promise.all(
    keys.flatMap((key) => Array.from({ length: 10 }, () => api.call("GET /api/me", { key }))),
  );
  // One more may be under way before anybody is known.
  assertEquals(count(answers, 200) <= 11, true, `${count(answers, 200)} passed`);
  assertEquals(count(answers, 200) + count(answers, 429), 100);
});

Deno.test("whoever is behind a proxy without TRUSTED_PROXY_HEADER is warned of it, once [43]", async () => {
  const told: string[] = [];
  const warn = (message: string) => void told.push(message);
  await using api = await createApi({ warn });
  await using trusting = await createApi({ warn, trustedProxyHeader: "X-Forwarded-For" });
  for (const one of [trusting, api, api]) {
    await one.call("GET /api/me", {
      address: "192.0.2.1",
      key: await one.key("new@example.com"),
      headers: { "x-forwarded-for": "198.51.100.1" },
    });
  }
  assertEquals(told.length, 1);
  assertMatch(told[0]!, /TRUSTED_PROXY_HEADER is not set/);
});

Deno.test("an address in a forwarded header is the same with a port [36]", async () => {
  await using api = await createApi({ trustedProxyHeader: "X-Forwarded-For" });
  const call = (forwarded: string) =>
    api.call("GET /api/me", {
      address: "192.0.2.1",
      key: badKey,
      headers: { "x-forwarded-for": forwarded },
    });
  let port = 1000;
  await statuses(20, () => call(`198.51.100.1:${++port}`));
  assertEquals((await call("198.51.100.1")).status, 429);
  await statuses(20, () => call(`[2001:db8::1]:${++port}`));
  assertEquals((await call("2001:db8::2")).status, 429);
  assertEquals((await call("198.51.100.2:1001")).status, 401);
});

Deno.test("a caller with too many requests in flight gets 429, and another caller does not [44]", async () => {
  await using api = await createApi({ concurrencyLimit: 8 });
  const [ada, bob] = [await api.key("ada@example.com"), await api.key("bob@example.com")];
  for (const key of [ada, bob]) await api.call("GET /api/me", { key });
  const many = Array.from({ length: 20 }, () => api.call("GET /api/me", { key: ada }));
  assertEquals((await api.call("GET /api/me", { key: bob })).status, 200);
  const answers = await Promise.all(many);
  assertEquals([count(answers, 200), count(answers, 429)], [8, 12]);
  const refused = answers.find(({ status }) => status === 429)!;
  assertEquals([refused.json.code, refused.headers.get("retry-after")], ["rate_limited", "1"]);
  assertEquals((await api.call("GET /api/me", { key: ada })).status, 200);
});

Deno.test("a caller whose requests are slow runs few at a time, and another caller finds room [44]", async () => {
  await using api = await createApi({ concurrencyLimit: 64, poolSize: 4, waits: true });
  const [ada, bob] = [await api.key("ada@example.com"), await api.key("bob@example.com")];
  for (const key of [ada, bob]) await api.call("GET /api/me", { key });
  const { id } = (await api.call("POST /api/todos", { key: ada, body: { description: "x" } })).json;
  const [, , owner] = ada.split("_");
  // What the quick requests before have earned is forgotten.
  await pause(50);
  await using holder = await holdLock(
    api.database.settings,
    `select id from todos where owner_id = ${owner} and id = ${id} for update`,
  );
  const slow = Array.from(
    { length: 30 },
    () => api.call(`PATCH /api/todos/${id}`, { key: ada, body: { completed: true } }),
  );
  await untilLocked(api.database.db, "update todos");
  // The row is not free before this is answered.
  assertEquals((await soon(api.call("GET /api/me", { key: bob }))).status, 200);
  await holder.commit();
  assertEquals(count(await Promise.all(slow), 200), 30);
});

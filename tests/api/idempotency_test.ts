import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { type Call, createApi, type Json, type TestApi } from "../support/api.ts";
import { testWorkers } from "../support/database.ts";

const headers = { "idempotency-key": "9b2f6f0c-7f7d-4a55-8f0f-1c1d1f0a3f55" };
const ada = { name: "Ada", email: "lovelace@example.com" };
/** No two users have one address. */
const another = (n = 0) => ({ name: "Another", email: `another-${n}@example.com` });

/** The API, and what creates a user by its first user's key. */
async function openApi() {
  const api = await createApi();
  const key = await api.key("admin@example.com", "admin");
  const create = (body: Json, call: Call = {}) =>
    api.call("POST /api/users", { headers, key, body, ...call });
  return Object.assign(api, { create, admin: key });
}

/** How many users were created over HTTP, or how many there are of something else. */
async function count(
  api: TestApi,
  what = sql`users where name in ('Ada', 'Another')`,
): Promise<number> {
  const [row] = await api.database.db.query<{ n: number }>(
    sql`select count(*)::int as n from ${what}`,
  );
  return row!.n;
}

/** Lets every remembered answer be as old as this. */
async function age(api: TestApi, interval: string) {
  await api.database.db.query(
    sql`
      update idempotency_keys
      set expires_at = (expires_at at time zone 'UTC' - ${interval}::interval) at time zone 'UTC'`,
  );
}

Deno.test("Idempotency-Key: 50 at once create one row, and each gets its answer [22]", async () => {
  await using api = await openApi();
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => api.create(ada)),
  );
  assertEquals(new Set(answers.map(({ status }) => status)), new Set([201]));
  assertEquals(new Set(answers.map(({ text }) => text)).size, 1);
  assertEquals(answers.filter((a) => a.headers.has("idempotent-replayed")).length, 49);
  assertEquals(await count(api), 1);
});

Deno.test("Idempotency-Key: the replay is the first answer, though the row has changed since [22]", async () => {
  await using api = await openApi();
  const first = await api.create(ada);
  const { admin: key } = api;
  const path = `/api/users/${first.json.id}`;
  await api.call(`PATCH ${path}`, { key, body: { name: "Countess" } });
  const again = await api.create(ada);
  assertEquals([again.status, again.text], [201, first.text]);
  assertEquals(again.headers.get("idempotent-replayed"), "true");
  assertEquals(again.headers.get("etag"), '"1"');
  assertEquals(again.headers.get("location"), first.headers.get("location"));
  assertEquals((await api.call(`DELETE ${path}`, { key })).status, 204);
  assertEquals((await api.create(ada)).text, first.text);
  assertEquals(await count(api), 0);
});

Deno.test("Idempotency-Key: another body is 422 and does nothing [22]", async () => {
  await using api = await openApi();
  await api.create(ada);
  const other = await api.create(another());
  assertEquals([other.status, other.json.code], [422, "idempotency_key_reused"]);
  assertEquals(await count(api), 1);
});

Deno.test("Idempotency-Key: the same key of another caller, or on another route, is another [22]", async () => {
  await using api = await openApi();
  const bob = await api.key("bob@example.com", "admin");
  const body = { name: "x", scope: "read" };
  const answers = [
    await api.create(ada),
    await api.create(another(1), { key: bob }),
    await api.call("POST /api/keys", { headers, body, key: api.admin }),
    await api.create(another(2), { headers: { "idempotency-key": "b" } }),
  ];
  assert(answers.every((a) => a.status === 201 && !a.headers.has("idempotent-replayed")));
  assertEquals(await count(api), 3);
});

Deno.test("Idempotency-Key: another API key of the same user is the same caller [22]", async () => {
  await using api = await openApi();
  const second = await api.key("admin@example.com", "admin");
  const first = await api.create(ada);
  const again = await api.create(ada, { key: second });
  assertEquals(again.text, first.text);
  assertEquals(await count(api), 1);
});

Deno.test("Idempotency-Key: what failed is not remembered, and may succeed later [22]", async () => {
  await using api = await openApi();
  const { json: first } = await api.create(ada, { headers: {} });
  const refused = await api.create(ada);
  assertEquals([refused.status, refused.json.code], [409, "email_taken"]);
  assertEquals(await count(api, sql`idempotency_keys`), 0);
  await api.call(`DELETE /api/users/${first.id}`, { key: api.admin });
  assertEquals((await api.create(ada)).status, 201);
});

Deno.test("Idempotency-Key: it is kept for 24 hours; then the same key works anew [22]", async () => {
  await using api = await openApi();
  const first = await api.create(ada);
  await age(api, "23 hours 59 minutes");
  const kept = await api.create(ada);
  assertEquals(kept.json.id, first.json.id);
  await age(api, "1 minute");
  const fresh = await Promise.all(
    Array.from({ length: 20 }, () => api.create(another())),
  );
  assertEquals(new Set(fresh.map(({ status }) => status)), new Set([201]));
  assertEquals(new Set(fresh.map(({ json }) => json.id)).size, 1);
  assertNotEquals(fresh[0]!.json.id, first.json.id);
  assertEquals(await count(api, sql`idempotency_keys`), 1);
});

/** Puts an exclusion constraint in the place of the unique index. */
async function exclude(api: TestApi, constraint: string) {
  const { db } = api.database;
  await db.script("drop index users_email_key");
  await db.script(`alter table users add constraint users_email_key ${constraint}`);
}

Deno.test("Idempotency-Key: under an exclusion constraint, equal requests at once create one row, another is 409 [22]", async () => {
  await using api = await openApi();
  await exclude(api, "exclude using btree (lower(email) with =)");
  for (let round = 0; round < 5; round++) {
    const body = another(round);
    const headers = { "idempotency-key": `round-${round}` };
    const answers = await Promise.all([1, 2, 3].map(() => api.create(body, { headers })));
    assertEquals(answers.map(({ status }) => status), [201, 201, 201]);
    const other = await api.create(body, { headers: {} });
    assertEquals([other.status, other.json.code], [409, "email_taken"]);
    assertEquals(other.json.errors[0].code, "taken");
  }
  assertEquals(await count(api), 5);
});

Deno.test("of 20 rows at once that exclude each other one is created and 19 are 409 [17]", async () => {
  await using api = await openApi();
  await exclude(
    api,
    "exclude using gist (int4range(years_old, years_old + 50) with &&) where (years_old is not null)",
  );
  for (let round = 0; round < 3; round++) {
    const bodies = Array.from({ length: 20 }, (_, i) => ({ ...another(i), years_old: i }));
    const keyed = (i: number) => ({ "idempotency-key": `${round}-${i}` });
    const answers = await Promise.all(
      bodies.map((body, i) => api.create(body, { headers: i % 2 ? keyed(i) : {} })),
    );
    const made = answers.filter(({ status }) => status === 201);
    assertEquals([made.length, answers.filter(({ status }) => status === 409).length], [1, 19]);
    await api.call(`DELETE /api/users/${made[0]!.json.id}`, { key: api.admin });
  }
});

Deno.test("Idempotency-Key: each request deletes a few expired ones of its caller, and of no other [22]", async () => {
  await using api = await openApi();
  const bob = await api.key("bob@example.com", "admin");
  for (let i = 0; i < 7; i++) {
    await api.create(another(i), { headers: { "idempotency-key": `old-${i}` } });
  }
  await api.create(another(7), { key: bob });
  await age(api, "25 hours");
  const left = [];
  for (let i = 0; i < 4; i++) {
    await api.create(another(10 + i), { headers: { "idempotency-key": `new-${i}` } });
    left.push(await count(api, sql`idempotency_keys where expires_at <= now()`));
  }
  assertEquals(left, [6, 4, 2, 1]);
});

Deno.test({
  name: "Idempotency-Key: among 50,000 remembered answers nothing is found by a scan [22]",
  // On a cluster each worker counts for itself.
  ignore: testWorkers().length > 0,
  fn: async () => {
    await using api = await openApi();
    const { db } = api.database;
    await db.query(sql`
    insert into idempotency_keys (owner_id, route, key, request_hash, row_id, row_version, body, expires_at)
    select users.id, 'createUser', 'key-' || n, sha256('x'), 1, 1, '{}',
      now() + make_interval(mins => n - 25000)
    from (select id from users limit 1) users, generate_series(1, 50000) n`);
    await db.script("vacuum analyze idempotency_keys");
    const scans = async () =>
      (await db.query<Json>(sql`
      select seq_scan::int as n from pg_stat_user_tables where relname = 'idempotency_keys'`))[0].n;
    await db.query(sql`select pg_stat_force_next_flush()`);
    const before = await scans();
    for (let i = 0; i < 12; i++) {
      const headers = { "idempotency-key": `scan-${i}` };
      assertEquals((await api.create(another(i), { headers })).status, 201);
      await db.query(sql`select pg_stat_force_next_flush()`);
    }
    assertEquals(await scans(), before);
  },
});

Deno.test("Idempotency-Key: the replay of a new key has no secret, and none is stored [22][35]", async () => {
  await using api = await createApi();
  const body = { name: "laptop", scope: "read" };
  const first = await api.call("POST /api/keys", { headers, body });
  const again = await api.call("POST /api/keys", { headers, body });
  assertEquals([again.status, again.json.key, again.json.id], [201, null, first.json.id]);
  const secret = first.json.key.slice(-43);
  const dump = await api.database.db.query(sql`select k::text as line from idempotency_keys k`);
  assert(!JSON.stringify(dump).includes(secret));
  assert(!api.log.join().includes(secret));
  assertEquals((await api.call("GET /api/me", { key: first.json.key })).status, 200);
});

Deno.test("Idempotency-Key: a rotation sent twice rotates once [22][32]", async () => {
  await using api = await createApi();
  const { json: { id } } = await api.call("POST /api/keys", {
    body: { name: "laptop", scope: "read" },
  });
  const body = { overlap_seconds: 60 };
  const first = await api.call(`POST /api/keys/${id}/rotate`, { headers, body });
  const again = await api.call(`POST /api/keys/${id}/rotate`, { headers, body });
  assertEquals([again.status, again.json.id, again.json.key], [201, first.json.id, null]);
  assertEquals((await api.call("GET /api/keys")).json.data.length, 3);
});

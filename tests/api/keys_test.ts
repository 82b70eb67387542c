import { assert, assertEquals, assertMatch } from "@std/assert";
import { newSecret, parseKey } from "../../db/_secret.ts";
import { sql } from "../../postgres/mod.ts";
import { createApi } from "../support/api.ts";

Deno.test("a key is `slate_<env>_<owner>_<id>_<secret>`, shown once, and only its digest is stored [32]", async () => {
  await using api = await createApi();
  const created = await api.call("POST /api/keys", { body: { name: "ci", scope: "read" } });
  assertEquals(created.status, 201);
  const { json: me } = await api.call("GET /api/me");
  const form = `^slate_test_${me.id}_${created.json.id}_[A-Za-z0-9_-]{43}$`;
  assertMatch(created.json.key, new RegExp(form));
  assertEquals((await api.call("GET /api/keys", { key: created.json.key })).status, 200);
  const listed = await api.call("GET /api/keys");
  assert(!listed.text.includes(created.json.key.slice(-43)));
  const rows = await api.database.db.query<{ text: string }>(sql`
    select row_to_json(k)::text || encode(k.secret_hash, 'escape') as text
    from keys k`);
  assertEquals(rows.some(({ text }) => text.includes(created.json.key.slice(-43))), false);
});

Deno.test("secrets are 256 random bits and no two are alike [32]", () => {
  const secrets = Array.from({ length: 1000 }, () => newSecret().secret);
  assertEquals(new Set(secrets).size, 1000);
  for (const secret of secrets) {
    assertEquals(Uint8Array.fromBase64(secret, { alphabet: "base64url" }).length, 32);
  }
});

Deno.test("a key of another environment, or a malformed one, is not parsed", () => {
  const { secret, hash } = newSecret();
  assertEquals(parseKey(`slate_test_3_7_${secret}`, "test"), { ownerId: "3", keyId: "7", hash });
  for (
    const text of [
      `slate_live_3_7_${secret}`,
      `slate_test_3_07_${secret}`,
      `slate_test_03_7_${secret}`,
      `slate_test_7_${secret}`,
      `slate_test__7_${secret}`,
      `slate_test_3_7_8_${secret}`,
      `slate_test_3_7_${secret}x`,
      `slate_test_3_7_${secret.slice(1)}`,
      `slate_test_3_99999999999999999_${secret}`,
      `slate_test_99999999999999999_7_${secret}`,
      `xslate_test_3_7_${secret}`,
      "",
    ]
  ) assertEquals(parseKey(text, "test"), undefined, text);
});

Deno.test("a missing, unknown, wrong, expired or revoked key is one 401, equal in every byte [33]", async () => {
  await using api = await createApi();
  const own = await api.key("bob@example.com");
  const [, , owner, id] = own.split("_") as [string, string, string, string];
  const secret = own.slice(-43);
  const expired = await api.call("POST /api/keys", {
    body: { name: "old", scope: "read", expires_at: "2020-01-01T00:00:00Z" },
  });
  const revoked = await api.call("POST /api/keys", { body: { name: "gone", scope: "read" } });
  await api.call(`DELETE /api/keys/${revoked.json.id}`);
  const other = newSecret().secret;
  const bad: (string | null)[] = [
    null,
    "nonsense",
    `slate_live_${owner}_${id}_${secret}`,
    `slate_test_${owner}_${id}_${other}`,
    `slate_test_${owner}_999_${secret}`,
    // The owner is another user's number, nobody's, of another length, absent.
    `slate_test_1_${id}_${secret}`,
    `slate_test_999_${id}_${secret}`,
    `slate_test_${owner}${"0".repeat(14)}_${id}_${secret}`,
    `slate_test_${id}_${secret}`,
    expired.json.key,
    revoked.json.key,
  ];
  const answers = [];
  for (const key of bad) {
    for (const path of ["/api/keys", "/api/users/1", "/api/keys?limit=none", "/api/users"]) {
      const answer = await api.call(`GET ${path}`, { key, headers: { "x-request-id": "r" } });
      assertEquals(answer.status, 401, `${path} ${key}`);
      assertMatch(answer.headers.get("www-authenticate")!, /^Bearer/);
      answers.push(answer.text);
    }
  }
  assertEquals(new Set(answers).size, 1);
});

Deno.test("a bad key learns nothing, not even that its body was malformed [33]", async () => {
  await using api = await createApi();
  const key = `slate_test_1_999_${newSecret().secret}`;
  const calls = [
    api.call("POST /api/keys", { raw: "{", headers: { "content-type": "application/json" }, key }),
    api.call("POST /api/keys", { raw: "x", headers: { "content-type": "text/plain" }, key }),
    api.call("POST /api/keys", { body: {}, key }),
    api.call("GET /api/keys?limit=0", { key }),
    api.call("GET /api/users/x", { key }),
    api.call("PATCH /api/users/1", { body: {}, headers: { "if-match": "x" }, key }),
  ];
  for (const answer of await Promise.all(calls)) {
    assertEquals([answer.status, answer.json.code], [401, "unauthorized"]);
    assertEquals(answer.headers.get("etag"), null);
  }
});

Deno.test("too narrow a scope is 403, whatever else is wrong with the request [34]", async () => {
  await using api = await createApi();
  const reader = await api.key("ada@example.com", "read");
  const answer = await api.call("POST /api/keys", { body: { nonsense: true }, key: reader });
  assertEquals([answer.status, answer.json.code], [403, "insufficient_scope"]);
});

Deno.test("a revoked key is refused immediately [32]", async () => {
  await using api = await createApi();
  const { json } = await api.call("POST /api/keys", { body: { name: "x", scope: "write" } });
  assertEquals((await api.call("GET /api/me", { key: json.key })).status, 200);
  assertEquals((await api.call(`DELETE /api/keys/${json.id}`, { key: json.key })).status, 204);
  assertEquals((await api.call("GET /api/me", { key: json.key })).status, 401);
  assertEquals((await api.call(`DELETE /api/keys/${json.id}`)).status, 404);
});

Deno.test("a key creates, rotates and revokes no key of a wider scope, and none of another user [32][34]", async () => {
  await using api = await createApi();
  const admin = await api.key("ada@example.com", "admin");
  const adminId = admin.split("_")[3];
  const raised = await api.call("POST /api/keys", { body: { name: "x", scope: "admin" } });
  assertEquals([raised.status, raised.json.code], [403, "insufficient_scope"]);
  assertEquals((await api.call(`POST /api/keys/${adminId}/rotate`)).status, 404);
  assertEquals((await api.call(`DELETE /api/keys/${adminId}`)).status, 404);
  assertEquals((await api.call("GET /api/me", { key: admin })).status, 200);
  const bob = (await api.key("bob@example.com")).split("_")[3];
  assertEquals((await api.call(`POST /api/keys/${bob}/rotate`, { key: admin })).status, 404);
  assertEquals((await api.call(`DELETE /api/keys/${bob}`, { key: admin })).status, 404);
});

Deno.test("a caller without a key is the development key's user where there is one, and only then [38]", async () => {
  await using api = await createApi();
  assertEquals((await api.call("GET /api/me", { key: null })).status, 401);
  const devKey = await api.key("dev@example.com", "admin");
  await using open = await createApi({ devKey, db: api.database.db });
  const me = await open.call("GET /api/me", { key: null });
  assertEquals([me.status, me.json.email], [200, "dev@example.com"]);
  assertEquals((await open.call("GET /api/me", { key: "wrong" })).status, 401);
  // The docs page sends that where its field is empty.
  const empty = { headers: { authorization: "Bearer" } };
  assertEquals((await open.call("GET /api/me", { key: null, ...empty })).status, 200);
  assertEquals((await api.call("GET /api/me", { key: null, ...empty })).status, 401);
  // A web page that makes its own name point at this machine is a stranger all the same.
  const rebound = await open.app.request("http://evil.example/api/me");
  assertEquals([rebound.status, (await rebound.json()).code], [401, "unauthorized"]);
});

Deno.test("in dev a page of another origin is refused without a key, and let in with one [38]", async () => {
  await using api = await createApi();
  const devKey = await api.key("dev@example.com", "admin");
  await using open = await createApi({
    devKey,
    db: api.database.db,
    corsOrigins: ["http://localhost:3000"],
  });
  const { json: spare } = await open.call("POST /api/keys", {
    key: null,
    body: { name: "x", scope: "read" },
  });
  const status = async (headers: Record<string, string>, key: string | null = null) => {
    const read = await open.call("GET /api/me", { key, headers });
    const body = { overlap_seconds: -1 };
    const write = await open.call(`POST /api/keys/${spare.id}/rotate`, { key, headers, body });
    assertEquals(write.status, read.status === 200 ? 422 : read.status, JSON.stringify(headers));
    if (read.status === 403) assertEquals(write.json.code, "forbidden");
    return read.status;
  };
  for (
    const foreign of [
      { origin: "https://evil.example" },
      { origin: "http://localhost:1" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "cross-site", origin: "http://localhost" },
      { "sec-fetch-site": "same-origin", origin: "https://evil.example" },
    ] as Record<string, string>[]
  ) {
    assertEquals(await status(foreign), 403, JSON.stringify(foreign));
    assertEquals(await status(foreign, devKey), 200);
  }
  for (
    const own of [
      {},
      { origin: "http://localhost" },
      { origin: "http://localhost:3000", "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "same-origin" },
      { "sec-fetch-site": "none" },
    ] as Record<string, string>[]
  ) {
    assertEquals(await status(own), 200, JSON.stringify(own));
  }
});

Deno.test("in dev the key of those who have none is neither deleted nor replaced, nor its user deleted [38]", async () => {
  await using api = await createApi();
  const devKey = await api.key("dev@example.com", "admin");
  await using open = await createApi({ devKey, db: api.database.db });
  const [, , owner, id] = devKey.split("_");
  for (
    const request of [
      `DELETE /api/keys/${id}`,
      `POST /api/keys/${id}/rotate`,
      `DELETE /api/users/${owner}`,
    ]
  ) {
    for (const key of [null, devKey]) {
      const answer = await open.call(request, { key });
      assertEquals([answer.status, answer.json.code], [403, "forbidden"], request);
    }
  }
  assertEquals((await open.call("GET /api/me", { key: null })).status, 200);
  // Where it is not what lets in everybody, it is a key as every other.
  assertEquals((await api.call(`DELETE /api/keys/${id}`, { key: devKey })).status, 204);
});

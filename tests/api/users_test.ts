import { assertEquals } from "@std/assert";
import { Statement } from "../../postgres/mod.ts";
import { createApi } from "../support/api.ts";
import { collections, createSample } from "../support/samples.ts";

Deno.test("users: an admin creates, lists, changes and deletes them", async () => {
  await using api = await createApi();
  const key = await api.key("root@example.com", "admin");
  const created = await api.call("POST /api/users", {
    body: { name: "Bob", email: "Bob@Example.com", years_old: 30 },
    key,
  });
  assertEquals([created.status, created.json.email], [201, "Bob@Example.com"]);
  const path = created.headers.get("location")!;
  const changed = await api.call(`PATCH ${path}`, { body: { years_old: null }, key });
  assertEquals([changed.json.years_old, changed.json.version], [null, 2]);
  assertEquals((await api.call("GET /api/users", { key })).json.data.length, 3);
  assertEquals(
    (await api.call("GET /api/users?limit=1&sort=-id", { key })).json.data[0].id,
    created.json.id,
  );
  assertEquals((await api.call(`DELETE ${path}`, { key })).status, 204);
  assertEquals((await api.call(`GET ${path}`, { key })).status, 404);
});

Deno.test("an email is unique without regard to case: 409 email_taken", async () => {
  await using api = await createApi();
  const key = await api.key("root@example.com", "admin");
  const body = { name: "Ada", email: "ADA@example.COM" };
  const created = await api.call("POST /api/users", { body, key });
  assertEquals([created.status, created.json.code], [409, "email_taken"]);
  const changed = await api.call("PATCH /api/me", { body, key });
  assertEquals(changed.status, 405);
  const { json: me } = await api.call("GET /api/me", { key });
  const taken = await api.call(`PATCH /api/users/${me.id}`, { body, key });
  assertEquals([taken.status, taken.json.errors[0].pointer], [409, "/email"]);
});

Deno.test("an email has one @ and at most 120 characters", async () => {
  await using api = await createApi();
  const key = await api.key("root@example.com", "admin");
  for (const email of ["", "a", "@b", "a@", "a@b@c", "a b@c", `${"a".repeat(120)}@b`, "a@b\n"]) {
    const answer = await api.call("POST /api/users", { body: { name: "x", email }, key });
    assertEquals([answer.status, answer.json.errors[0].pointer], [422, "/email"], email);
  }
  const longest = `${"ä".repeat(118)}@b`;
  const answer = await api.call("POST /api/users", { body: { name: "x", email: longest }, key });
  assertEquals(answer.status, 201);
});

Deno.test("GET /api/me: the user whose key it is, with an ETag", async () => {
  await using api = await createApi();
  const me = await api.call("GET /api/me");
  assertEquals([me.status, me.json.email, me.headers.get("etag")], [200, "ada@example.com", '"1"']);
  const same = await api.call("GET /api/me", { headers: { "if-none-match": '"1"' } });
  assertEquals(same.status, 304);
});

Deno.test("users read and change their own account; another's is 404 [10][34]", async () => {
  await using api = await createApi();
  const { json: ada } = await api.call("GET /api/me");
  const bob = await api.key("bob@example.com");
  const path = `/api/users/${ada.id}`;
  assertEquals((await api.call(`GET ${path}`)).json, ada);
  const changed = await api.call(`PATCH ${path}`, { body: { name: "Countess" } });
  assertEquals([changed.status, changed.json.name], [200, "Countess"]);
  for (const method of ["GET", "PATCH"]) {
    const body = method === "PATCH" ? { name: "Mine" } : undefined;
    const answer = await api.call(`${method} ${path}`, { key: bob, body });
    const absent = await api.call(`${method} /api/users/999`, { key: bob, body });
    assertEquals(answer.status, 404);
    assertEquals({ ...answer.json, request_id: "" }, { ...absent.json, request_id: "" });
  }
  assertEquals((await api.call("GET /api/me")).json.name, "Countess");
});

Deno.test("DELETE /api/users/{id}: all rows of the user are deleted, and the user's keys are refused", async () => {
  await using api = await createApi();
  const own = collections.filter((collection) => collection !== "users");
  for (const collection of own) await createSample(api, collection);
  await api.call("POST /api/keys", {
    body: { name: "x", scope: "read" },
    headers: { "idempotency-key": "k" },
  });
  const { json: me } = await api.call("GET /api/me");
  // A key that may write may not end the account that it belongs to.
  const refused = await api.call(`DELETE /api/users/${me.id}`);
  assertEquals([refused.status, refused.json.code], [403, "insufficient_scope"]);
  const key = await api.key(me.email, "admin");
  assertEquals((await api.call(`DELETE /api/users/${me.id}`, { key })).status, 204);
  assertEquals((await api.call("GET /api/me")).status, 401);
  for (const table of [...own, "idempotency_keys"]) {
    const rows = new Statement([`select from ${table}`], []);
    assertEquals(await api.database.db.query(rows), [], table);
  }
});

import { assert, assertEquals } from "@std/assert";
import document from "../../openapi.json" with { type: "json" };
import { type Statement } from "../../postgres/mod.ts";
import { createApi, type Json, type TestApi } from "../support/api.ts";
import { createSample, makeBody, requiredQuery } from "../support/samples.ts";

/** What the API asks its database from now on. */
function watch({ db }: TestApi): Statement[] {
  const statements: Statement[] = [];
  const query = db.query;
  db.query = (statement) => {
    statements.push(statement);
    return query(statement);
  };
  return statements;
}

Deno.test("every operation that needs a key runs one statement, which checks the key as well [26]", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  const statements = watch(api);
  let tried = 0;
  for (const [path, item] of Object.entries<Json>(document.paths)) {
    for (const [method, operation] of Object.entries<Json>(item)) {
      const { operationId, security } = operation;
      if (!security?.length) continue;
      const collection = path.split("/")[2]!;
      const id = path.includes("{id}") ? await createSample(api, collection, key) : 0;
      const body = await makeBody(api, operation, key);
      const headers: Record<string, string> = method === "post" ? { "idempotency-key": "x" } : {};
      statements.length = 0;
      const query = new URLSearchParams(requiredQuery(operation));
      const request = `${method.toUpperCase()} ${path.replace("{id}", String(id))}?${query}`;
      const { status, text } = await api.call(request, { key, body, headers });
      assert(status < 300, `${operationId}: ${status} to ${JSON.stringify(body)}: ${text}`);
      assertEquals([operationId, statements.length], [operationId, 1]);
      assert(statements[0]!.text.includes("from keys k"), operationId);
      tried++;
    }
  }
  assert(tried >= 10);
});

Deno.test("an unknown, wrong and expired key cost the same statement: time tells nobody which it is [33]", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com");
  const expired = await api.key("ada@example.com");
  await api.database.db.script("update keys set expires_at = now() - interval '1 s' where id = 3");
  const statements = watch(api);
  for (
    const bad of [
      expired,
      key.replace(/_\d+_(?=\d)/, "_999_"),
      `${key.slice(0, -43)}${"A".repeat(43)}`,
    ]
  ) {
    assertEquals((await api.call("GET /api/users/1", { key: bad })).status, 401);
  }
  assertEquals(statements.length, 3);
  assertEquals(new Set(statements.map(({ text }) => text)).size, 1);
  // Both digests are hashed with a nonce before they are compared.
  assert(/sha256\(k\.secret_hash \|\| blind\.nonce\) = sha256\(/.test(statements[0]!.text));
});

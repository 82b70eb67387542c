import { assert, assertEquals } from "@std/assert";
import document from "../../openapi.json" with { type: "json" };
import { sql, type Statement } from "../../postgres/mod.ts";
import { createApi, type Json, type TestApi } from "../support/api.ts";
import { createSample, makeBody, requiredQuery } from "../support/samples.ts";

/** What the API asks its database from now on. */
function watch({ db }: TestApi): Statement[] {
  const statements: Statement[] = [];
  const { query, read } = db;
  db.query = (statement) => {
    statements.push(statement);
    return query(statement);
  };
  db.read = (statement) => {
    statements.push(statement);
    return read(statement);
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

Deno.test("an unknown, a wrong and an expired key take one statement, the same for each [33]", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com");
  const expired = await api.key("ada@example.com");
  const { json: keys } = await api.call("GET /api/keys?sort=-id");
  await api.database.db.query(sql`
    update keys set expires_at = now() - interval '1 second' where id = ${keys.data[0].id}`);
  const statements = watch(api);
  const bad = {
    unknown: key.replace(/_\d+_(?=.{43}$)/, "_999_"),
    "another's": key.replace(/_\d+_/, "_999_"),
    wrong: `${key.slice(0, -43)}${"A".repeat(43)}`,
    expired,
  };
  for (const [what, key] of Object.entries(bad)) {
    const { status } = await api.call("GET /api/users/1", { key });
    assertEquals([what, status], [what, 401]);
  }
  // The same work inside of it as well: docs/security.md has the times.
  assertEquals(statements.length, Object.keys(bad).length);
  assertEquals(new Set(statements.map(({ text }) => text)).size, 1);
});

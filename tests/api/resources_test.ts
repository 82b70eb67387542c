/** What every resource promises, whoever added it, tried on each that the document has. */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import document from "../../openapi.json" with { type: "json" };
import { createApi, type Json, type TestApi } from "../support/api.ts";
import { createSample, makeChange } from "../support/samples.ts";

const changeable = Object.entries<Json>(document.paths)
  .filter(([path, item]) => item.patch && /^\/api\/\w+\/\{id\}$/.test(path))
  .map(([path]) => path.split("/")[2]!);

/** Changes a row, whose version, ETag and time must say so. */
async function change(api: TestApi, table: string, key: string) {
  const path = `/api/${table}/${await createSample(api, table, key)}`;
  const before = await api.call(`GET ${path}`, { key });
  const body = await makeChange(api, table, before.json, key);
  const after = await api.call(`PATCH ${path}`, { key, body });
  assertEquals(after.status, 200, `PATCH ${path}: ${after.text}`);
  const why = `a change of ${table} is not counted: ` +
    `has ${table} its touch trigger? see users_touch in db/schema.sql`;
  assertEquals(after.json.version, before.json.version + 1, why);
  assertNotEquals(after.headers.get("etag"), before.headers.get("etag"), why);
  assert(after.json.updated_at > before.json.updated_at, why);
}

Deno.test("a change of any row raises its version by one, and its ETag and updated_at with it", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  assert(changeable.includes("users"));
  for (const table of changeable) await change(api, table, key);
});

Deno.test("a table whose touch trigger was forgotten is found", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  await api.database.db.script("drop trigger users_touch on users");
  await assertRejects(() => change(api, "users", key), Error, "has users its touch trigger?");
});

import { assert, assertEquals, assertMatch } from "@std/assert";
import { createApi } from "./api.ts";

Deno.test("POST /api/todos: 201 with Location, ETag and the whole row, which GET then finds [19]", async () => {
  await using api = await createApi();
  const created = await api.call("POST /api/todos", {
    body: { description: "Buy chalk", due_date: "2030-01-31T10:00:00.123456+01:00" },
  });
  assertEquals(created.status, 201);
  assertEquals(created.headers.get("etag"), '"1"');
  const location = created.headers.get("location")!;
  assertEquals(location, `/api/todos/${created.json.id}`);
  assertEquals(created.json.due_date, "2030-01-31T09:00:00.123456Z");
  assertEquals(created.json.completed, false);
  const found = await api.call(`GET ${location}`);
  assertEquals(found.status, 200);
  assertEquals(found.json, created.json);
  assertEquals(found.headers.get("etag"), '"1"');
});

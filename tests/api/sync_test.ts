import { assertEquals } from "@std/assert";
import { createSlateClient } from "../../client/mod.ts";
import { createApi } from "../support/api.ts";
import { until } from "../support/pool.ts";

Deno.test("sync() keeps a copy of one kind up to date, and begins anew where its cursor is too old [31][51]", async () => {
  await using api = await createApi();
  let expired = false;
  const seen: string[] = [];
  function fetch(request: Request): Promise<Response> {
    seen.push(request.url);
    if (!expired || !request.url.includes("cursor=")) {
      return Promise.resolve(api.app.request(request));
    }
    expired = false;
    const code = "cursor_expired";
    return Promise.resolve(Response.json({ status: 410, code, detail: "" }, { status: 410 }));
  }
  const slate = createSlateClient({
    baseUrl: "http://slate.test",
    key: await api.key("ada@example.com"),
    fetch,
  });
  const todos = slate.sync("todo");
  /** Transactions of other tests on the same server hold changes back for a while. */
  const shows = (...expected: string[]) =>
    until(async () => {
      await todos.pull();
      const found = [...todos.rows.values()].map(({ description }) => description);
      return found.sort().join() === expected.join();
    });
  const items = ["a", "b", "c"].map((description) => ({ description }));
  const { data: made } = await slate.POST("/api/todos/batch", { body: { items } });
  const [a, b] = made!.data;
  await slate.POST("/api/students", { body: { first_name: "Ada", last_name: "Lovelace" } });
  await shows("a", "b", "c");
  assertEquals(todos.rows.get(a!.id), a);
  await slate.DELETE("/api/todos/batch", { body: { items: [{ id: a!.id }] } });
  await slate.PATCH("/api/todos/{id}", {
    params: { path: { id: b!.id } },
    body: { description: "d" },
  });
  await shows("c", "d");
  expired = true;
  seen.length = 0;
  await todos.pull();
  assertEquals(seen.map((url) => url.includes("cursor=")), [true, false]);
  await shows("c", "d");
});

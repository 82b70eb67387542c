import { assertEquals, assertRejects } from "@std/assert";
import { createSlateClient, SlateError } from "../../client/mod.ts";
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

/** A copy of todos from a server that gives these answers, and the cursors that it was asked for. */
function copyFrom(...answers: (Response | Promise<Response>)[]) {
  const asked: (string | null)[] = [];
  const slate = createSlateClient({
    baseUrl: "http://slate.test",
    retry: false,
    fetch(request) {
      asked.push(new URL(request.url).searchParams.get("cursor"));
      return Promise.resolve(answers.shift() ?? Response.error());
    },
  });
  const todos = slate.sync("todo");
  return { asked, todos, ids: () => [...todos.rows.keys()] };
}

/** A page with this todo; `more` follows. */
const page = (next_cursor: string, id: number, more = false) => {
  const data = [{ kind: "todo", id, deleted: false, row: { id } }];
  return Response.json({ data, next_cursor, more });
};

const expired = () =>
  Response.json({ status: 410, code: "cursor_expired", detail: "" }, { status: 410 });

Deno.test("sync(): of two pulls at once the second goes on where the first has come to [31]", async () => {
  const first = Promise.withResolvers<Response>();
  const { asked, todos, ids } = copyFrom(first.promise, page("2", 2));
  const pulls = [todos.pull(), todos.pull()];
  first.resolve(page("1", 1));
  await Promise.all(pulls);
  assertEquals([asked, ids()], [[null, "1"], [1, 2]]);
});

Deno.test("sync(): a pull that fails or is aborted changes nothing, and the next one goes on [31]", async () => {
  const empty = new Response(null, { status: 503, headers: { "content-length": "0" } });
  const html = new Response("<p>busy</p>", { status: 502 });
  const slow = Promise.withResolvers<Response>();
  const { asked, todos, ids } = copyFrom(
    page("1", 1),
    ...[page("2", 2, true), empty],
    ...[page("2", 2, true), html],
    ...[page("2", 2, true), new Response(null)],
    slow.promise,
    ...[page("2", 2, true), page("3", 3)],
  );
  await todos.pull();
  for (const status of [503, 502, 200]) await assertRejects(() => todos.pull(), Error, `${status}`);
  const stop = new AbortController();
  const before = asked.length;
  const aborted = todos.pull({ signal: stop.signal });
  const reason = new Error("enough");
  const next = todos.pull();
  while (asked.length === before) await new Promise((resolve) => setTimeout(resolve));
  stop.abort(reason);
  slow.resolve(page("2", 2, true));
  assertEquals(await assertRejects(() => aborted), reason);
  assertEquals(ids(), [1]);
  await next;
  assertEquals([asked.slice(-3), ids()], [["1", "1", "2"], [1, 2, 3]]);
});

Deno.test("sync(): it begins anew once a pull; a server whose cursors all expire is not asked for ever [31]", async () => {
  const { asked, todos, ids } = copyFrom(
    page("1", 1),
    ...[expired(), page("2", 2, true), expired()],
    ...[expired(), page("3", 3)],
  );
  await todos.pull();
  const error = await assertRejects(() => todos.pull(), SlateError);
  assertEquals([error.problem.code, ids()], ["cursor_expired", [1]]);
  await todos.pull();
  assertEquals([asked, ids()], [[null, "1", null, "2", "1", null], [3]]);
});

import { assertEquals, assertGreater } from "@std/assert";
import { createSlateClient } from "../../client/mod.ts";
import { createApi, type TestApi } from "../support/api.ts";

async function create(api: TestApi, last_name: string, key?: string) {
  const body = { first_name: "Ada", last_name };
  return (await api.call("POST /api/students", { body, key })).json;
}

Deno.test("students: created, read, changed and deleted", async () => {
  await using api = await createApi();
  const created = await api.call("POST /api/students", {
    body: { first_name: "Ada", last_name: "Lovelace", age: 36 },
  });
  assertEquals([created.status, created.headers.get("location")], [201, "/api/students/1"]);
  const changed = await api.call("PATCH /api/students/1", { body: { age: null } });
  assertEquals([changed.status, changed.json.age, changed.json.version], [200, null, 2]);
  assertEquals((await api.call("GET /api/students/1")).json, changed.json);
  assertEquals((await api.call("DELETE /api/students/1")).status, 204);
  assertEquals((await api.call("GET /api/students/1")).status, 404);
  for (const age of [-1, 151, 1.5, "36"]) {
    const body = { first_name: "Ada", last_name: "Lovelace", age };
    assertEquals((await api.call("POST /api/students", { body })).status, 422, String(age));
  }
});

Deno.test("GET /api/students: sorted by last name in pages, ties in the order of ids", async () => {
  await using api = await createApi();
  for (const name of ["Turing", "Hopper", "Turing", "Lovelace"]) await create(api, name);
  const names = async (sort: string) => {
    const seen: string[] = [];
    let cursor = "";
    do {
      const { json } = await api.call(`GET /api/students?limit=1&sort=${sort}${cursor}`);
      seen.push(
        ...json.data.map((s: { last_name: string; id: number }) => `${s.last_name} ${s.id}`),
      );
      cursor = json.next_cursor && `&cursor=${json.next_cursor}`;
    } while (cursor);
    return seen;
  };
  const ascending = ["Hopper 2", "Lovelace 4", "Turing 1", "Turing 3"];
  assertEquals(await names("last_name"), ascending);
  assertEquals(await names("-last_name"), ascending.toReversed());
});

Deno.test("GET /api/students/{id}/todos: the student's todos; 404 for an absent student and another user's", async () => {
  await using api = await createApi();
  const mine = await create(api, "Lovelace");
  const theirs = await create(api, "Turing", await api.key("bob@example.com"));
  for (const student_id of [mine.id, null, mine.id]) {
    await api.call("POST /api/todos", { body: { description: "x", student_id } });
  }
  const page = await api.call(`GET /api/students/${mine.id}/todos?limit=1`);
  assertEquals([page.status, page.json.data.length], [200, 1]);
  const rest = await api.call(
    `GET /api/students/${mine.id}/todos?limit=1&cursor=${page.json.next_cursor}`,
  );
  assertEquals([rest.json.data[0].id, rest.json.next_cursor], [3, null]);
  for (const id of [theirs.id, 999]) {
    assertEquals((await api.call(`GET /api/students/${id}/todos`)).status, 404);
  }
});

Deno.test("DELETE /api/students/{id}: its todos stay, unassigned, with a new ETag", async () => {
  await using api = await createApi();
  const student = await create(api, "Lovelace");
  const { json: todo } = await api.call("POST /api/todos", {
    body: { description: "x", student_id: student.id },
  });
  assertEquals((await api.call(`DELETE /api/students/${student.id}`)).status, 204);
  const left = (await api.call(`GET /api/todos/${todo.id}`)).json;
  assertEquals(left.student_id, null);
  assertGreater(left.version, todo.version);
});

Deno.test("students: the client lists one student's todos [31]", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com");
  const fetch = (request: Request) => Promise.resolve(api.app.request(request));
  const slate = createSlateClient({ baseUrl: "http://slate.test", key, fetch });
  const { id: student_id } = await create(api, "Lovelace");
  await slate.POST("/api/todos", { body: { description: "mine" } });
  await slate.POST("/api/todos", { body: { description: "hers", student_id } });
  const hers = slate.list("/api/students/{id}/todos", { path: { id: student_id } });
  assertEquals((await Array.fromAsync(hers)).map((todo) => todo.description), ["hers"]);
});

import { assert, assertEquals } from "@std/assert";
import { createApi, type Json, type TestApi } from "../support/api.ts";

async function create(api: TestApi, body: Record<string, unknown> = {}, key?: string) {
  const answer = await api.call("POST /api/todos", { body: { description: "x", ...body }, key });
  assertEquals(answer.status, 201, answer.text);
  return answer.json;
}

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

Deno.test("POST /api/todos: a student of another user is 422 student_not_found, and nothing is created", async () => {
  await using api = await createApi();
  const other = await api.key("bob@example.com");
  const { json: student } = await api.call("POST /api/students", {
    body: { first_name: "A", last_name: "B" },
    key: other,
  });
  for (const student_id of [student.id, 999]) {
    const answer = await api.call("POST /api/todos", { body: { description: "x", student_id } });
    assertEquals([answer.status, answer.json.code], [422, "student_not_found"]);
  }
  assertEquals((await api.call("GET /api/todos")).json.data, []);
});

Deno.test("PATCH /api/todos/{id}: what is left out stays, null clears, null where it may not be is 422 [20]", async () => {
  await using api = await createApi();
  const { json: student } = await api.call("POST /api/students", {
    body: { first_name: "A", last_name: "B" },
  });
  const { id } = await create(api, { due_date: "2030-01-31T09:00:00Z", student_id: student.id });
  const patch = (body: unknown, type = "application/merge-patch+json") =>
    api.call(`PATCH /api/todos/${id}`, { body, headers: { "content-type": type } });
  const completed = await patch({ completed: true });
  assertEquals(completed.status, 200);
  assertEquals(completed.headers.get("etag"), '"2"');
  assertEquals(
    [completed.json.completed, completed.json.due_date, completed.json.student_id],
    [true, "2030-01-31T09:00:00.000000Z", student.id],
  );
  const cleared = await patch({ due_date: null, student_id: null }, "application/json");
  assertEquals([cleared.json.due_date, cleared.json.student_id], [null, null]);
  for (const body of [{ description: null }, { completed: null }, { description: "" }, [], null]) {
    assertEquals((await patch(body)).status, 422, JSON.stringify(body));
  }
  assertEquals((await api.call(`GET /api/todos/${id}`)).json, cleared.json);
});

Deno.test("PATCH /api/todos/{id}: a change that changes nothing keeps the version and updated_at", async () => {
  await using api = await createApi();
  const todo = await create(api);
  for (const body of [{}, { description: "x" }, { completed: false, due_date: null }]) {
    const answer = await api.call(`PATCH /api/todos/${todo.id}`, { body });
    assertEquals([answer.status, answer.json], [200, todo]);
  }
});

Deno.test("PATCH /api/todos/{id}: a stale If-Match changes nothing [21]", async () => {
  await using api = await createApi();
  const { id } = await create(api);
  const patch = (ifMatch: string, description: string) =>
    api.call(`PATCH /api/todos/${id}`, {
      body: { description },
      headers: { "if-match": ifMatch },
    });
  assertEquals((await patch('"1"', "second")).status, 200);
  for (const stale of ['"1"', 'W/"2"', '"abc"', '"99", "98"']) {
    const answer = await patch(stale, "third");
    assertEquals([answer.status, answer.json.code], [412, "precondition_failed"], stale);
  }
  assertEquals((await api.call(`GET /api/todos/${id}`)).json.description, "second");
  assertEquals((await patch('"1", "2"', "third")).status, 200);
  assertEquals((await patch("*", "fourth")).status, 200);
  for (const malformed of ["2", "*, *", "", '"2', '"1" "2"']) {
    assertEquals((await patch(malformed, "fifth")).status, 400, malformed);
  }
  assertEquals(
    (await api.call("PATCH /api/todos/99", { body: {}, headers: { "if-match": "*" } })).status,
    404,
  );
});

Deno.test("PATCH /api/todos/{id}: of 20 racers with one version exactly one wins [21]", async () => {
  await using api = await createApi();
  const { id } = await create(api);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      api.call(`PATCH /api/todos/${id}`, {
        body: { description: `racer ${i}` },
        headers: { "if-match": '"1"' },
      })),
  );
  assertEquals(answers.filter((a) => a.status === 200).length, 1);
  assertEquals(answers.filter((a) => a.status === 412).length, 19);
  const winner = answers.find((a) => a.status === 200)!;
  assertEquals((await api.call(`GET /api/todos/${id}`)).json, winner.json);
});

Deno.test("GET /api/todos/{id}: If-None-Match with the same version is 304 without a body [21]", async () => {
  await using api = await createApi();
  const { id } = await create(api);
  const get = (header: string) =>
    api.call(`GET /api/todos/${id}`, { headers: { "if-none-match": header } });
  for (const known of ['"1"', 'W/"1"', '"0", "1"', "*"]) {
    const answer = await get(known);
    assertEquals([answer.status, answer.text, answer.headers.get("etag")], [304, "", '"1"'], known);
  }
  // A comma may be in a tag, and an element of a list be empty: RFC 9110, sections 8.8.3 and 5.6.1.
  for (const known of ['"a,b", "1"', '"x",,"1"', ', "1" ,', '"1","', 'W/"a,b",\t"1"']) {
    const { status } = await get(known);
    assertEquals(status, known.endsWith(',"') ? 400 : 304, known);
  }
  assertEquals((await get('"2"')).status, 200);
  assertEquals((await get('"a,1"')).status, 200);
  for (const malformed of ["1", 'w/"1"', '"1" "1"', '"a b"', '*, "1"']) {
    assertEquals((await get(malformed)).status, 400, malformed);
  }
});

Deno.test("a change with If-None-Match: * is 412 for an existing row and 404 for an absent one [21]", async () => {
  await using api = await createApi();
  const { id } = await create(api);
  const headers = { "if-none-match": "*" };
  for (const [request, body] of [["PATCH", { completed: true }], ["DELETE", undefined]] as const) {
    const there = await api.call(`${request} /api/todos/${id}`, { body, headers });
    assertEquals([there.status, there.json.code], [412, "precondition_failed"]);
    assertEquals((await api.call(`${request} /api/todos/99`, { body, headers })).status, 404);
    const tags = { "if-none-match": '"1"' };
    const other = await api.call(`${request} /api/todos/${id}`, { body, headers: tags });
    assertEquals([other.status, other.json.errors[0].parameter], [400, "If-None-Match"]);
  }
  assertEquals((await api.call(`GET /api/todos/${id}`)).json.version, 1);
});

Deno.test("DELETE /api/todos/{id}: 204, then 404; a stale If-Match deletes nothing [20]", async () => {
  await using api = await createApi();
  const { id } = await create(api);
  const remove = (headers = {}) => api.call(`DELETE /api/todos/${id}`, { headers });
  assertEquals((await remove({ "if-match": '"7"' })).status, 412);
  assertEquals((await remove({ "if-match": '"1"' })).status, 204);
  assertEquals((await remove()).status, 404);
  assertEquals((await api.call(`GET /api/todos/${id}`)).status, 404);
});

Deno.test("GET /api/todos: pages of `limit`, each with a Link to the next, the last with none [23]", async () => {
  await using api = await createApi();
  for (let i = 1; i <= 5; i++) await create(api, { description: `todo ${i}` });
  const seen: string[] = [];
  const lengths: number[] = [];
  let address: string | undefined = "/api/todos?limit=2";
  while (address) {
    const { json, headers }: { json: Json; headers: Headers } = await api.call(`GET ${address}`);
    lengths.push(json.data.length);
    seen.push(...json.data.map((todo: Json) => todo.description));
    const link: string | undefined = /^<(.+)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
    assertEquals(json.next_cursor === null, link === undefined);
    if (link) assert(link.includes(encodeURIComponent(json.next_cursor)));
    address = link;
  }
  assertEquals(lengths, [2, 2, 1]);
  assertEquals(seen, ["todo 1", "todo 2", "todo 3", "todo 4", "todo 5"]);
});

Deno.test("GET /api/todos: a last page that is full has no next_cursor [23]", async () => {
  await using api = await createApi();
  for (let i = 0; i < 4; i++) await create(api);
  const first = await api.call("GET /api/todos?limit=2");
  const second = await api.call(`GET /api/todos?limit=2&cursor=${first.json.next_cursor}`);
  assertEquals([second.json.data.length, second.json.next_cursor], [2, null]);
  assertEquals((await api.call("GET /api/todos")).json.data.length, 4);
  for (const limit of ["0", "101", "-1", "1.5", "", "01"]) {
    assertEquals((await api.call(`GET /api/todos?limit=${limit}`)).status, 400, limit);
  }
  assertEquals((await api.call("GET /api/todos?limit=100")).status, 200);
});

Deno.test("due_date takes any offset, is stored as UTC, in the years 0001 to 9998 [16]", async () => {
  await using api = await createApi();
  const stored: Record<string, string> = {
    "2030-01-31T09:00:00Z": "2030-01-31T09:00:00.000000Z",
    "2030-01-31t09:00:00.5z": "2030-01-31T09:00:00.500000Z",
    "2030-01-31T09:00:00+23:59": "2030-01-30T09:01:00.000000Z",
    "2030-01-31T09:00:00-05:30": "2030-01-31T14:30:00.000000Z",
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00.000000Z",
    "2024-02-29T00:00:00Z": "2024-02-29T00:00:00.000000Z",
    "9998-12-31T23:59:59.9999999Z": "9998-12-31T23:59:59.999999Z",
  };
  for (const [given, expected] of Object.entries(stored)) {
    const answer = await api.call("POST /api/todos", {
      body: { description: "x", due_date: given },
    });
    assertEquals([answer.status, answer.json.due_date], [201, expected], given);
  }
  const refused = [
    "0000-12-31T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-01-01T00:00:00Z",
    "2030-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2030-01-31T24:00:00Z",
    "2030-01-31T09:00:60Z",
    "2030-01-31T09:00:00",
    "2030-01-31",
    "2030-01-31T09:00:00+24:00",
    "infinity",
    "now",
    1,
  ];
  for (const due_date of refused) {
    const answer = await api.call("POST /api/todos", { body: { description: "x", due_date } });
    assertEquals(answer.status, 422, String(due_date));
  }
});

Deno.test("GET /api/todos: no filter and no search shows another user's [34]", async () => {
  await using api = await createApi();
  const body = { first_name: "Ada", last_name: "Lovelace" };
  const { json: student } = await api.call("POST /api/students", { body });
  await create(api, { student_id: student.id });
  const key = await api.key("bob@example.com");
  for (const query of [`student_id=${student.id}`, "q=x"]) {
    assertEquals((await api.call(`GET /api/todos?${query}`)).json.data.length, 1);
    assertEquals((await api.call(`GET /api/todos?${query}`, { key })).json.data, []);
  }
});

Deno.test("GET /api/todos?include=student: each todo shows its student, in the same statement [26][52]", async () => {
  await using api = await createApi();
  const { json: ada } = await api.call("POST /api/students", {
    body: { first_name: "Ada", last_name: "Lovelace", age: 36 },
  });
  for (const student_id of [ada.id, null]) {
    await api.call("POST /api/todos", { body: { description: "x", student_id } });
  }
  const plain = (await api.call("GET /api/todos")).json.data;
  const { json } = await api.call("GET /api/todos?include=student");
  assertEquals(json.data, [{ ...plain[0], student: ada }, { ...plain[1], student: null }]);
  const first = await api.call("GET /api/todos?include=student&limit=1");
  const next = await api.call(
    `GET /api/todos?include=student&limit=1&cursor=${first.json.next_cursor}`,
  );
  assertEquals(next.json.data, [json.data[1]]);
  const without = await api.call(`GET /api/todos?limit=1&cursor=${first.json.next_cursor}`);
  assertEquals(without.json.data, [plain[1]], "it is neither a filter nor a sort");
  assertEquals((await api.call("GET /api/todos?include=owner")).status, 400);
});

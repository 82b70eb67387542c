import { assert, assertEquals } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { createApi, type Json, type TestApi } from "../support/api.ts";
import { holdLock, untilLocked } from "../support/locks.ts";

/** A batch of `PATCH` or `DELETE` with these, or of `POST`. */
const batch = (api: TestApi, method: string, items: Json[], more = {}) =>
  api.call(`${method} /api/todos/batch`, { body: { items }, ...more });

const described = (...descriptions: string[]) =>
  descriptions.map((description) => ({ description }));

async function todos(api: TestApi): Promise<Json[]> {
  return (await api.call("GET /api/todos?limit=100")).json.data;
}

const pointers = ({ json }: Json) => json.errors.map(({ pointer, code }: Json) => [pointer, code]);

Deno.test("a precondition where none has a meaning is refused, and nothing is done [21][50]", async () => {
  await using api = await createApi();
  const { json: row } = await api.call("POST /api/todos", { body: { description: "old" } });
  const key = await api.key("ada@example.com", "admin");
  const [, , , id] = key.split("_");
  for (
    const [request, body] of [
      ["PATCH /api/todos/batch", { items: [{ id: row.id, description: "new" }] }],
      ["DELETE /api/todos/batch", { items: [{ id: row.id }] }],
      ["POST /api/todos/batch", { items: described("another") }],
      ["POST /api/todos", { description: "another" }],
      [`POST /api/keys/${id}/rotate`, {}],
    ] as [string, Json][]
  ) {
    for (const [name, value] of [["if-match", '"7"'], ["if-none-match", "*"]]) {
      const refused = await api.call(request, {
        body,
        headers: { [name!]: value! },
        ...request.includes("rotate") && { key },
      });
      assertEquals([request, refused.status, refused.json.errors?.length], [request, 400, 1]);
    }
  }
  assertEquals(await todos(api), [row]);
});

Deno.test("a batch of 100 new rows is answered in the order of its items, and each is there [50]", async () => {
  await using api = await createApi();
  const { json: student } = await api.call("POST /api/students", {
    body: { first_name: "Ada", last_name: "Lovelace" },
  });
  const items = Array.from({ length: 100 }, (_, n) => ({
    description: `todo ${(n * 37) % 100} "'\\ 😀`,
    ...n % 2 && { due_date: "2030-01-31T09:00:00+02:00", completed: true, student_id: student.id },
  }));
  const made = await batch(api, "POST", items);
  assertEquals(made.status, 201);
  const rows: Json[] = made.json.data;
  assertEquals(rows.map((row) => row.description), items.map((item) => item.description));
  assertEquals(rows[1].due_date, "2030-01-31T07:00:00.000000Z");
  assertEquals([rows[1].student_id, rows[2].student_id], [student.id, null]);
  assertEquals(await todos(api), rows);
  const roster = await api.call("POST /api/students/batch", {
    body: {
      items: [{ first_name: "B", last_name: "C", age: 7 }, { first_name: "D", last_name: "E" }],
    },
  });
  assertEquals(roster.json.data.map((row: Json) => [row.first_name, row.age]), [["B", 7], [
    "D",
    null,
  ]]);
});

Deno.test("a batch with one bad item does nothing and says which: 422 [50]", async () => {
  await using api = await createApi();
  const bob = await api.key("bob@example.com");
  const { json: theirs } = await api.call("POST /api/students", {
    key: bob,
    body: { first_name: "A", last_name: "B" },
  });
  const good = { description: "x" };
  const refused: [Json[], string, [string, string][]][] = [
    [[good, good, {}], "invalid_body", [["/items/2/description", "required"]]],
    [[good, { ...good, owner_id: 1 }], "invalid_body", [["/items/1/owner_id", "unknown"]]],
    [[], "invalid_body", [["/items", "too_small"]]],
    [Array(101).fill(good), "invalid_body", [["/items", "too_big"]]],
    [
      [good, { ...good, student_id: theirs.id }, good, { ...good, student_id: 99999 }],
      "student_not_found",
      [["/items/1/student_id", "not_found"], ["/items/3/student_id", "not_found"]],
    ],
  ];
  for (const [items, code, places] of refused) {
    const answer = await batch(api, "POST", items);
    assertEquals([answer.status, answer.json.code], [422, code]);
    assertEquals(pointers(answer), places);
  }
  assertEquals(await todos(api), []);
});

Deno.test("a batch of new rows is done once for each idempotency key, 20 at once or later [50][22]", async () => {
  await using api = await createApi();
  const headers = { "idempotency-key": "k" };
  const once = () => batch(api, "POST", described("a", "b"), { headers });
  const answers = await Promise.all(Array.from({ length: 20 }, once));
  assertEquals(new Set(answers.map(({ status, text }) => status + text)).size, 1);
  assertEquals(answers.filter((a) => a.headers.has("idempotent-replayed")).length, 19);
  assertEquals((await todos(api)).length, 2);
  const other = await batch(api, "POST", described("a", "c"), { headers });
  assertEquals([other.status, other.json.code], [422, "idempotency_key_reused"]);
  await batch(api, "DELETE", answers[0]!.json.data.map(({ id }: Json) => ({ id })));
  assertEquals((await once()).text, answers[0]!.text);
});

Deno.test("a batch of changes: what is left out stays, null clears, the rows come in its order [50]", async () => {
  await using api = await createApi();
  const { json: student } = await api.call("POST /api/students", {
    body: { first_name: "Ada", last_name: "Lovelace", age: 3 },
  });
  const due_date = "2030-01-31T09:00:00.000000Z";
  const full = { description: "a", completed: true, due_date, student_id: student.id };
  const { json: { data: [a, b, c] } } = await batch(api, "POST", [full, full, full]);
  const changed = await batch(api, "PATCH", [
    { id: c.id, completed: false, version: 1 },
    { id: a.id, due_date: null, student_id: null },
    { id: b.id, description: "b" },
  ]);
  assertEquals(changed.status, 200);
  const shown = ({ id, description, completed, due_date, student_id, version }: Json) => [
    [id, description, completed],
    [due_date, student_id, version],
  ];
  assertEquals(changed.json.data.map(shown), [
    [[c.id, "a", false], [due_date, student.id, 2]],
    [[a.id, "a", true], [null, null, 2]],
    [[b.id, "b", true], [due_date, student.id, 2]],
  ]);
  const roster = (method: string, items: Json[]) =>
    api.call(`${method} /api/students/batch`, { body: { items } });
  const older = await roster("PATCH", [{ id: student.id, age: null, last_name: "King" }]);
  assertEquals([older.json.data[0].last_name, older.json.data[0].age], ["King", null]);
  assertEquals((await roster("DELETE", [{ id: student.id, version: 2 }])).status, 204);
  assertEquals((await todos(api)).map((todo) => todo.student_id), [null, null, null]);
});

Deno.test("a row that is absent, another's, twice there or stale stops its batch, and is named [50]", async () => {
  await using api = await createApi();
  const bob = await api.key("bob@example.com");
  const { json: { data: [theirs] } } = await batch(api, "POST", described("b"), { key: bob });
  const { json: { data: [a, b] } } = await batch(api, "POST", described("a", "b"));
  const before = await todos(api);
  for (const [method, change] of [["PATCH", { completed: true }], ["DELETE", {}]] as const) {
    const refused: [Json[], number, string, [string, string][]][] = [
      [[a, theirs, { id: 99999 }], 422, "item_not_found", [
        ["/items/1/id", "not_found"],
        ["/items/2/id", "not_found"],
      ]],
      [[b, a, b], 422, "item_repeated", [["/items/2/id", "repeated"]]],
      [[a, { id: b.id, version: 2 }], 412, "precondition_failed", [["/items/1/version", "stale"]]],
    ];
    for (const [items, status, code, places] of refused) {
      const sent = items.map(({ id, version }) => ({ id, version, ...change }));
      const answer = await batch(api, method, sent);
      assertEquals([answer.status, answer.json.code], [status, code]);
      assertEquals(pointers(answer), places);
    }
  }
  const away = await batch(api, "PATCH", [{ id: a.id, completed: true }, {
    id: b.id,
    student_id: 99999,
  }]);
  assertEquals([away.status, pointers(away)], [422, [["/items/1/student_id", "not_found"]]]);
  assertEquals(await todos(api), before);
  assertEquals(
    (await batch(api, "GET", [], { body: undefined })).headers.get("allow"),
    "POST, PATCH, DELETE, OPTIONS",
  );
});

Deno.test("of batches that meet in some rows each is done as a whole or not at all [50][21]", async () => {
  await using api = await createApi();
  const { json: { data: rows } } = await batch(api, "POST", described(..."abcdefghij"));
  const random = (() => {
    let seed = 1;
    return () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  })();
  for (let round = 0; round < 5; round++) {
    const before = await todos(api);
    const racers = Array.from({ length: 8 }, (_, racer) => {
      const chosen = before.toSorted(() => random() - 0.5).slice(0, 5);
      const mark = `${round} ${racer}`;
      return {
        mark,
        ids: chosen.map(({ id }) => id),
        items: chosen.map(({ id, version }) => ({ id, version, description: mark })),
      };
    });
    const answers = await Promise.all(racers.map(({ items }) => batch(api, "PATCH", items)));
    const after = await todos(api);
    let won = 0;
    for (const [n, { mark, ids }] of racers.entries()) {
      const { status } = answers[n]!;
      assert(status === 200 || status === 412, `${status}`);
      if (status === 200) won++;
      const marked = after.filter(({ description }) => description === mark).map(({ id }) => id);
      assertEquals(marked, status === 200 ? ids.toSorted((a, b) => a - b) : []);
    }
    assert(won >= 1);
  }
  assertEquals((await todos(api)).length, rows.length);
});

Deno.test("a batch that waits for a row until it has changed does nothing and says which [50]", async () => {
  await using api = await createApi();
  const { json: { data: [a, b] } } = await batch(api, "POST", described("a", "b"));
  // Whoever waits has looked at its rows before, and found them as they were.
  const { settings, db } = api.database;
  // PostgreSQL tells no more than the beginning of a statement's text.
  const sentItems = "jsonb_array_elements";
  const items = [{ id: a.id, version: 1, completed: true }, { id: b.id, version: 1 }];
  {
    await using first = await holdLock(
      settings,
      `update todos set description = 'first' where id = ${b.id}`,
    );
    const waiting = batch(api, "PATCH", items);
    await untilLocked(db, sentItems);
    await first.commit();
    const second = await waiting;
    assertEquals([second.status, pointers(second)], [412, [["/items/1/version", "stale"]]]);
  }
  assertEquals((await todos(api)).map(({ completed, version }) => [completed, version]), [[
    false,
    1,
  ], [false, 2]]);
  {
    await using first = await holdLock(settings, `delete from todos where id = ${b.id}`);
    const waiting = batch(api, "DELETE", [{ id: a.id }, { id: b.id }]);
    await untilLocked(db, sentItems);
    await first.commit();
    const third = await waiting;
    assertEquals([third.status, pointers(third)], [422, [["/items/1/id", "not_found"]]]);
  }
  const [left] = await api.database.db.query<{ n: number }>(sql`
    select count(*)::int as n from todos`);
  assertEquals(left!.n, 1);
});

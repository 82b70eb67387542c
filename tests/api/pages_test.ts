import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { sql } from "../../postgres/mod.ts";
import { createApi, type Json, type TestApi } from "../support/api.ts";
import { fillTodos } from "../support/todos.ts";

/** Always the same: a test fails on a change, not by chance. */
const seed = 20261126;

/** All pages of a list, following the cursors. */
async function pages(api: TestApi, path: string, between: () => Promise<unknown> = async () => {}) {
  const rows: Json[] = [];
  for (let cursor = "";; await between()) {
    const { status, json } = await api.call(`GET ${path}${cursor}`);
    assertEquals(status, 200);
    rows.push(...json.data);
    if (json.next_cursor === null) return rows;
    cursor = `${path.includes("?") ? "&" : "?"}cursor=${json.next_cursor}`;
  }
}

for (const sort of ["id", "-id", "due_date", "-due_date", "updated_at", "-updated_at"]) {
  Deno.test(`1,000 rows by ${sort} under concurrent inserts: none twice, none of the earlier ones missed [24]`, async () => {
    await using api = await createApi();
    await fillTodos(api, 1000);
    const before = await pages(api, `/api/todos?limit=100&sort=${sort}`);
    assertEquals(new Set(before.map(({ id }) => id)).size, 1000);
    let n = 0;
    const rows = await pages(api, `/api/todos?limit=37&sort=${sort}`, async () => {
      const dates = [null, "2030-01-01T00:00:00.000001Z", `2030-01-01T00:00:00.000${100 + n}Z`];
      await Promise.all(
        dates.map((due_date) =>
          api.call("POST /api/todos", { body: { description: `new ${++n}`, due_date } })
        ),
      );
    });
    const ids = rows.map(({ id }) => id);
    assertEquals(new Set(ids).size, ids.length);
    const old = new Set(before.map(({ id }) => id));
    assertEquals(ids.filter((id) => old.has(id)), before.map(({ id }) => id));
  });
}

/** What the list must be, the slow way. */
function model(rows: Json[], query: Record<string, string>): Json[] {
  const { sort = "id", completed, due, due_before, due_after, student_id, updated_since, q } =
    query;
  const descending = sort.startsWith("-");
  const name = sort.replace("-", "");
  return rows.filter((row) =>
    (completed === undefined || String(row.completed) === completed) &&
    (due === undefined || row.due_date === null) &&
    (due_before === undefined || (row.due_date !== null && row.due_date < due_before)) &&
    (due_after === undefined || (row.due_date !== null && row.due_date > due_after)) &&
    (student_id === undefined || String(row.student_id) === student_id) &&
    (updated_since === undefined || row.updated_at >= updated_since) &&
    (q === undefined || row.description.split(" ").some((word: string) => word.startsWith(q)))
  ).sort((a, b) => {
    const [x, y] = [a[name], b[name]];
    if ((x === null) !== (y === null)) return x === null ? 1 : -1;
    const order = x === y ? a.id - b.id : x < y ? -1 : 1;
    return descending ? -order : order;
  });
}

Deno.test("every filter with every sort is what a brute-force model says, page by page [25]", async () => {
  await using api = await createApi();
  await fillTodos(api, 120);
  const students = [];
  for (const last_name of ["A", "B"]) {
    const student = await api.call("POST /api/students", { body: { first_name: "x", last_name } });
    students.push(String(student.json.id));
  }
  await api.database.db.query(sql`
    update todos t set student_id = s.id from students s
    where t.owner_id = s.owner_id and t.id % 3 = s.id % 3`);
  const rows = await pages(api, "/api/todos?limit=100");
  const instants = fc.constantFrom(...rows.flatMap((row) => [row.due_date, row.updated_at]))
    .filter((text) => text !== null);
  const queries = fc.record({
    sort: fc.constantFrom("id", "-id", "due_date", "-due_date", "updated_at", "-updated_at"),
    completed: fc.constantFrom("true", "false"),
    due: fc.constant("none"),
    due_before: instants,
    due_after: instants,
    updated_since: instants,
    student_id: fc.constantFrom(...students, "999"),
    q: fc.constantFrom("todo", "7", "12", "absent"),
    limit: fc.constantFrom("1", "7", "20", "100"),
  }, { requiredKeys: [] });
  await fc.assert(
    fc.asyncProperty(queries, async ({ limit = "50", ...query }) => {
      const search = new URLSearchParams({ limit, ...query });
      const found = await pages(api, `/api/todos?${search}`);
      assertEquals(found.map(({ id }) => id), model(rows, query).map(({ id }) => id));
    }),
    { numRuns: 400, seed },
  );
});

Deno.test("students are sorted by last name, descending as well, ties by id [25]", async () => {
  await using api = await createApi();
  for (const last_name of ["b", "a", "B", "ä", "a", "\u0001", "'", "😀"]) {
    await api.call("POST /api/students", { body: { first_name: "x", last_name } });
  }
  const up = await pages(api, "/api/students?sort=last_name&limit=3");
  const down = await pages(api, "/api/students?sort=-last_name&limit=3");
  assertEquals(up.length, 8);
  assertEquals(down.map(({ id }) => id), up.map(({ id }) => id).reverse());
  const names = up.map(({ last_name }) => last_name);
  assertEquals(names, [...names].sort((a, b) => a.codePointAt(0) - b.codePointAt(0)));
});

Deno.test("a cursor of another filter, sort or path, or a malformed one, is 400 [24][47]", async () => {
  await using api = await createApi();
  await fillTodos(api, 30);
  const first = async (path: string) => (await api.call(`GET ${path}`)).json.next_cursor;
  const cursor = await first("/api/todos?limit=5&sort=due_date&completed=false");
  const good = `/api/todos?limit=3&sort=due_date&completed=false`;
  assertEquals((await api.call(`GET ${good}&cursor=${cursor}`)).status, 200);
  const text = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url" })
      .replaceAll("=", "");
  const [context, id, value] = JSON.parse(atob(cursor));
  const bad = [
    `/api/todos?sort=due_date&cursor=${cursor}`,
    `/api/todos?sort=-due_date&completed=false&cursor=${cursor}`,
    `/api/todos?sort=due_date&completed=true&cursor=${cursor}`,
    `/api/students?cursor=${cursor}`,
    `/api/keys?cursor=${cursor}`,
    // The same sort and filters, and yet another list: the path is a part of it.
    `/api/students?limit=1&cursor=${await first("/api/todos?limit=5")}`,
    `/api/students/1/todos?cursor=${await first("/api/todos?limit=5")}`,
    ...[
      "",
      "x",
      "%00",
      "%20" + cursor,
      cursor + "=",
      cursor.slice(1),
      "A".repeat(100_000).slice(0, 5000),
      text(null),
      text([]),
      text({}),
      text([context]),
      text([context, Number(id), value]),
      text([context, "0", value]),
      text([context, "-1", value]),
      text([context, "9223372036854775808", value]),
      text([context, "99999999999999999999999", value]),
      text([context, id, null]),
      text([context, id, 1]),
      text([context, id, "now"]),
      text([context, id, "9999999-99-99 99:99:99+00"]),
      text([context, id, "2030-02-30 00:00:00+00"]),
      text([context, id, "2030-01-01 00:00:00+99"]),
      text([context, id, "'; drop table todos; --"]),
      text([context, id, value, 1]),
    ].map((made) => `${good}&cursor=${made}`),
  ];
  for (const path of bad) {
    const { status, json } = await api.call(`GET ${path}`);
    assertEquals([path, status], [path, 400]);
    assert(["invalid_cursor", "invalid_parameter"].includes(json.code));
  }
});

Deno.test("a made-up cursor shows no row that is another user's [24][34]", async () => {
  await using api = await createApi();
  await fillTodos(api, 10);
  const { json } = await api.call("GET /api/todos?limit=5");
  const other = await api.call(`GET /api/todos?cursor=${json.next_cursor}`, {
    key: await api.key("bob@example.com"),
  });
  assertEquals(other.json.data, []);
});

Deno.test("a search of 1,000 characters has pages as every other [24][25]", async () => {
  await using api = await createApi();
  await fillTodos(api, 5);
  const words = encodeURIComponent(("todo or 😀 " + "x".repeat(1000)).slice(0, 1000));
  assertEquals((await pages(api, `/api/todos?limit=2&q=${words}`)).length, 5);
});

import { assert, assertEquals, assertMatch } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { createApi, type Json } from "../support/api.ts";
import { testWorkers } from "../support/database.ts";
import { fillTodos } from "../support/todos.ts";

Deno.test({
  name: "a search reads the caller's words, however many others have the same [44]",
  // On a cluster it is a plan of many tasks.
  ignore: testWorkers().length > 0,
  fn: async () => {
    await using api = await createApi();
    await fillTodos(api, 3);
    await api.database.db.script(`
    insert into users (name, email) values ('Bob', 'bob@example.com');
    insert into todos (owner_id, description)
    select (select max(id) from users), 'todo ' || n from generate_series(1, 20000) n;`);
    await api.database.db.script("vacuum analyze todos");
    const [plan] = await api.database.db.query<{ "QUERY PLAN": unknown }>(sql`
    explain (analyze, format json)
    select from todos t
    where search_terms(t.owner_id, plain_words(t.description)) @@ search_query(1, 'todo')`);
    const text = JSON.stringify(plan);
    assertMatch(text, /todos_search_terms_idx/);
    // The index gives the caller's three rows, and none of the others' to be thrown away.
    assertMatch(text, /"Exact Heap Blocks"/);
    assertEquals(/Rows Removed by Index Recheck[^,]*?([1-9]\d*)/.exec(text), null);
  },
});

Deno.test({
  name: "a page reads its own rows and no more, first or last, in every sort [24]",
  // On a cluster each worker counts for itself.
  ignore: testWorkers().length > 0,
  fn: async () => {
    await using api = await createApi();
    await fillTodos(api, 20_000);
    await api.database.db.script("vacuum analyze todos");
    /** Rows that a request took from the table or an index of it. */
    async function read(path: string): Promise<number> {
      const count = async () => {
        await api.db.query(sql`select pg_stat_force_next_flush()`);
        const [row] = await api.db.query<{ n: number }>(sql`
        select (seq_tup_read + coalesce(idx_tup_fetch, 0))::int as n
        from pg_stat_user_tables where relname = 'todos'`);
        return row!.n;
      };
      const before = await count();
      assertEquals((await api.call(`GET ${path}`)).status, 200);
      return await count() - before;
    }
    for (const sort of ["id", "-id", "due_date", "-due_date", "updated_at", "-updated_at"]) {
      let cursor: string | null = "";
      for (let page = 0; page < 5; page++) {
        const { json }: Json = await api.call(
          `GET /api/todos?limit=100&sort=${sort}${cursor && `&cursor=${cursor}`}`,
        );
        cursor = json.next_cursor;
      }
      const path = `/api/todos?limit=20&sort=${sort}`;
      const counts = [await read(path), await read(`${path}&cursor=${cursor}`)];
      for (const rows of counts) {
        assert(rows >= 20 && rows <= 30, `${sort} read ${rows} rows for a page of 20`);
      }
    }
  },
});

Deno.test("a text is searched by all of its letters, and a ligature is no way to make it endless [44][52]", async () => {
  await using api = await createApi();
  // Four characters in their plain form, as no letter with its accents has more.
  const accented = "\u1f82".repeat(9_996);
  for (const description of [`${accented} end`, "\ufdfa".repeat(10_000)]) {
    assertEquals((await api.call("POST /api/todos", { body: { description } })).status, 201);
  }
  const found = async (q: string) =>
    (await api.call(`GET /api/todos?q=${encodeURIComponent(q)}`)).json.data
      .map(({ id }: { id: number }) => id);
  assertEquals([await found("end"), await found("\ufdfa")], [[1], [2]]);
  // 180,000 characters would make whoever writes the row wait.
  const [row] = await api.database.db.query<{ length: number }>(sql`
    select length(array_to_string(plain_words(repeat(${"\ufdfa"}, 10000)), ' ')) as length`);
  assert(row!.length <= 40_000, `${row!.length} characters`);
});

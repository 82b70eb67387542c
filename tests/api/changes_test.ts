import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { Statement } from "../../postgres/sql.ts";
import { createApi, type Json, type TestApi } from "../support/api.ts";
import { holdLock } from "../support/locks.ts";
import { until } from "../support/pool.ts";
import { connectPatiently } from "../support/database.ts";
import { root } from "../support/root.ts";

/** A page after this cursor. */
async function page(api: TestApi, cursor?: string, limit = 100): Promise<Json> {
  const query = new URLSearchParams({ limit: `${limit}`, ...cursor && { cursor } });
  const { status, json } = await api.call(`GET /api/changes?${query}`);
  assertEquals(status, 200);
  return json;
}

/** A reader, and its copy of all rows. */
function reader(api: TestApi) {
  const copy = new Map<string, Json>();
  let cursor: string | undefined;
  return {
    copy,
    async read(limit = 100) {
      for (let more = true; more;) {
        const { data, ...rest } = await page(api, cursor, limit);
        for (const { kind, id, deleted, row } of data) {
          if (deleted) copy.delete(`${kind} ${id}`);
          else copy.set(`${kind} ${id}`, row);
        }
        cursor = rest.next_cursor;
        more = rest.more;
      }
    },
  };
}

/** All rows, as a reader's copy has them. */
async function rows(api: TestApi): Promise<Map<string, Json>> {
  const all = new Map<string, Json>();
  for (const kind of ["student", "todo"]) {
    for (let cursor = "";;) {
      const { json } = await api.call(`GET /api/${kind}s?limit=100${cursor}`);
      for (const row of json.data) all.set(`${kind} ${row.id}`, row);
      if (!json.next_cursor) break;
      cursor = `&cursor=${json.next_cursor}`;
    }
  }
  return all;
}

const sorted = (map: Map<string, Json>) => [...map].sort(([a], [b]) => a < b ? -1 : 1);

/** Transactions of other tests on the same server hold changes back for a while. */
async function settled(api: TestApi, { read, copy }: ReturnType<typeof reader>) {
  const want = JSON.stringify(sorted(await rows(api)));
  await until(async () => {
    await read();
    return JSON.stringify(sorted(copy)) === want;
  });
  assertEquals(sorted(copy), sorted(await rows(api)));
}

const todo = (api: TestApi, body: Json) => api.call("POST /api/todos", { body });
const ada = { first_name: "Ada", last_name: "Lovelace" };

Deno.test("changes: each row that was made or changed and each id that was deleted, by whatever way [51]", async () => {
  await using api = await createApi();
  const bob = await api.key("bob@example.com");
  await api.call("POST /api/todos", { key: bob, body: { description: "Bob's" } });
  const { json: student } = await api.call("POST /api/students", { body: ada });
  const { json: a } = await todo(api, { description: "a", student_id: student.id });
  const { json: b } = await todo(api, { description: "b" });
  const one = reader(api);
  await settled(api, one);
  assertEquals(one.copy.get(`todo ${a.id}`), a);
  const start = await page(api, undefined, 1);
  assertEquals([start.data.length, start.more], [1, true]);
  // The foreign key takes the student out of the todo, which is a change of the todo.
  await api.call(`DELETE /api/students/${student.id}`);
  await api.call(`DELETE /api/todos/${b.id}`);
  await settled(api, one);
  assertEquals(one.copy.get(`todo ${a.id}`).student_id, null);
  assertEquals([...one.copy.keys()], [`todo ${a.id}`]);
  const { data } = await page(api);
  assertEquals(data.map(({ kind, id, deleted }: Json) => [kind, id, deleted]), [
    ["student", student.id, true],
    ["todo", a.id, false],
    ["todo", b.id, true],
  ]);
  const { json: { data: theirs } } = await api.call("GET /api/changes", { key: bob });
  assertEquals(theirs.map(({ row }: Json) => row.description), ["Bob's"]);
});

Deno.test("changes: many of one transaction come in pages of any size, each once [51]", async () => {
  await using api = await createApi();
  const description = "x";
  await api.call("POST /api/students/batch", { body: { items: Array(7).fill(ada) } });
  await api.call("POST /api/todos/batch", { body: { items: Array(11).fill({ description }) } });
  await api.database.db.script(`
    update students set age = 7;
    with t as (update todos set completed = true where id > 4) delete from todos where id <= 4;`);
  await settled(api, reader(api));
  for (const limit of [1, 2, 3, 5, 100]) {
    const seen: string[] = [];
    let cursor: string | undefined;
    for (let more = true; more;) {
      const { data, ...rest } = await page(api, cursor, limit);
      seen.push(...data.map(({ kind, id, deleted }: Json) => `${kind} ${id} ${deleted}`));
      ({ next_cursor: cursor, more } = rest);
    }
    assertEquals([seen.length, new Set(seen).size], [18, 18], `${limit}`);
    assertEquals((await page(api, cursor)).data, []);
  }
});

Deno.test("changes: a change that a slow transaction made early is seen when it is there, and not missed [51]", async () => {
  await using api = await createApi();
  const one = reader(api);
  await todo(api, { description: "before" });
  await settled(api, one);
  await using slow = await holdLock(
    api.database.settings,
    "insert into todos (owner_id, description) select id, 'slow' from users",
  );
  await todo(api, { description: "after" });
  await one.read();
  assertEquals([...one.copy.values()].map(({ description }) => description), ["before"]);
  await slow.commit();
  await settled(api, one);
  assertEquals(one.copy.size, 3);
});

Deno.test("changes: whatever writers do beside them, each reader's copy becomes the table [51]", async () => {
  await using api = await createApi();
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, random(ms)));
  let writing = 6;
  const ids: Record<string, number[]> = { students: [], todos: [] };
  async function write(writer: number) {
    for (let n = 0; n < 25; n++) {
      await pause(20);
      const kind = random(3) === 0 ? "students" : "todos";
      const id = ids[kind]!.at(random(Math.max(1, ids[kind]!.length)));
      const choice = id === undefined ? 0 : random(5);
      const student_id = random(2) ? ids.students!.at(0) ?? null : null;
      const body = kind === "students"
        ? { ...ada, age: n }
        : { description: `${writer} ${n}`, student_id };
      if (choice < 2) {
        const { status, json } = await api.call(`POST /api/${kind}`, { body });
        if (status === 201) ids[kind]!.push(json.id);
      } else if (choice < 4) await api.call(`PATCH /api/${kind}/${id}`, { body });
      else {
        ids[kind] = ids[kind]!.filter((other) => other !== id);
        await api.call(`DELETE /api/${kind}/${id}`);
      }
    }
    writing--;
  }
  /** Holds a transaction open over many others. */
  async function slow() {
    const session = connectPatiently(api.database.settings, { session: true });
    try {
      while (writing > 1) {
        await session.script("begin");
        await session.query(sql`
          insert into todos (owner_id, description) select min(id), 'slow' from users`);
        await pause(300);
        await session.script(random(3) === 0 ? "rollback" : "commit");
      }
    } finally {
      await session.close();
      writing--;
    }
  }
  const readers = [reader(api), reader(api), reader(api)];
  async function follow(one: ReturnType<typeof reader>, n: number) {
    while (writing > 0) {
      await pause(100);
      await one.read([1, 7, 100][n]);
    }
  }
  await Promise.all([
    ...[1, 2, 3, 4, 5].map(write),
    slow(),
    ...readers.map(follow),
  ]);
  assert((await rows(api)).size > 10);
  for (const one of readers) await settled(api, one);
});

Deno.test("changes: a cursor older than 30 days is 410, another's, a made-up or another list's 400 [51]", async () => {
  await using api = await createApi();
  const bob = await api.key("bob@example.com");
  await todo(api, { description: "a" });
  await settled(api, reader(api));
  const { next_cursor } = await page(api);
  const parts = JSON.parse(atob(next_cursor.replaceAll("-", "+").replaceAll("_", "/")));
  const cursor = (...changed: Json[]) =>
    btoa(JSON.stringify(changed)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const ask = async (cursor: string, key?: string) => {
    const { status, json } = await api.call(`GET /api/changes?cursor=${cursor}`, { key });
    return [status, json.code];
  };
  const [context, history, transaction, kind, id] = parts;
  const days = (n: number) =>
    new Date(Date.now() - n * 86_400_000).toISOString().replace("Z", "000Z");
  assertEquals(await ask(cursor(...parts)), [200, undefined]);
  assertEquals(await ask(cursor(context, history, transaction, kind, id, days(29.9))), [
    200,
    undefined,
  ]);
  assertEquals(await ask(cursor(context, history, transaction, kind, id, days(30.1))), [
    410,
    "cursor_expired",
  ]);
  // Of a server that had counted further, before a dump of it was restored into this one.
  const ahead = String(BigInt(transaction) + 1_000_000n);
  assertEquals(await ask(cursor(context, history, ahead, kind, id, days(1))), [
    410,
    "cursor_expired",
  ]);
  // Of one that had not.
  assertEquals(await ask(cursor(context, "1", transaction, kind, id, days(1))), [
    410,
    "cursor_expired",
  ]);
  assertEquals(await ask(next_cursor, bob), [400, "invalid_cursor"]);
  const list = (await api.call("GET /api/todos?limit=1")).json;
  assertEquals(list.next_cursor, null);
  for (
    const bad of [
      "x",
      cursor(context),
      cursor(context, history, "-1", kind, id, days(1)),
      cursor(context, history, transaction, "user", id, days(1)),
      cursor(context, history, transaction, kind, id, "infinity"),
      cursor(context, history, transaction, kind, id, "0000-01-01T00:00:00.000000Z"),
      cursor(context, history, transaction, kind, id, null),
      cursor("0", history, transaction, kind, id, days(1)),
      cursor(...parts, 1),
    ]
  ) assertEquals(await ask(bad), [400, "invalid_cursor"], bad);
});

Deno.test("changes: a row that is put back from a dump is shown once it has a number as docs/operations.md says [51]", async () => {
  await using api = await createApi();
  const { db } = api.database;
  const { json: row } = await todo(api, { description: "a" });
  const follower = reader(api);
  await settled(api, follower);
  const [{ lost }] = await db.query(
    sql`select to_jsonb(t)::text as lost from todos t where id = ${row.id}`,
  ) as [{ lost: string }];
  await api.call(`DELETE /api/todos/${row.id}`);
  await settled(api, follower);
  await db.query(sql`
    insert into todos overriding system value
    select * from jsonb_populate_record(null::todos, ${lost}::text::jsonb)`);
  const manual = await Deno.readTextFile(join(root, "docs/operations.md"));
  const [renumbering] = manual.match(/update todos set changed_in = [^`]+ where id in \(/) ??
    [];
  assert(renumbering, "docs/operations.md does not say how");
  await db.query(new Statement([renumbering, ")"], [row.id]));
  await settled(api, follower);
  assertEquals(follower.copy.get(`todo ${row.id}`), row);
});

Deno.test("deletions are kept for 31 days, two older ones go with each, and all of them with the user [51]", async () => {
  await using api = await createApi();
  const { db } = api.database;
  const admin = await api.key("admin@example.com", "admin");
  const items = Array.from({ length: 6 }, (_, n) => ({ description: `${n}` }));
  const { json } = await api.call("POST /api/todos/batch", { body: { items } });
  const remove = (n: number) => api.call(`DELETE /api/todos/${json.data[n].id}`);
  for (const n of [0, 1, 2]) await remove(n);
  const kept = async () => {
    const rows = await db.query<{ row_id: string }>(sql`
      select row_id from deletions order by row_id`);
    return rows.map(({ row_id }) => json.data.findIndex((row: Json) => row.id === Number(row_id)));
  };
  await db.query(sql`update deletions set deleted_at = now() - interval '30 days 23 hours'`);
  await remove(3);
  assertEquals(await kept(), [0, 1, 2, 3]);
  await db.query(sql`
    update deletions set deleted_at = now() - interval '31 days'
    where row_id <> ${json.data[3].id}`);
  await remove(4);
  assertEquals((await kept()).length, 3);
  const { json: me } = await api.call("GET /api/me");
  assertEquals((await api.call(`DELETE /api/users/${me.id}`, { key: admin })).status, 204);
  assertEquals(await kept(), []);
});

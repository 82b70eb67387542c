import { assertEquals } from "@std/assert";
import { createFolder, migration, runDb } from "../../tests/support/command.ts";
import { connectPatiently, createDatabase } from "../../tests/support/database.ts";
import { lostData, readData } from "../proof/data.ts";
import { fillTables } from "../proof/rows.ts";

const table =
  "create table todos (id bigint constraint todos_pkey primary key, owner_id bigint, n integer);\n";
const rules = [
  "alter table todos add constraint todos_owner_id_fkey foreign key (owner_id) references users (id)",
  "alter table todos add constraint todos_n_check check (n in (41, 42))",
];
const bind = rules.map((rule) => `${rule};`).join("\n");
const bindNew = rules.map((rule) => `${rule} not valid;`).join("\n");
const unbind =
  "alter table todos drop constraint todos_n_check, drop constraint todos_owner_id_fkey;";

/** Rules for rows that are there already: not valid first, validated in the next migration. */
const bound = {
  "1_create_todos.sql": "-- down loses every todo\n" + migration(
    `create table users (id bigint constraint users_pkey primary key);\n${table}`,
    "drop table todos;\ndrop table users;",
  ),
  "2_bind_todos.sql": "-- lock: access exclusive on todos\n" + migration(bindNew, unbind),
  "3_validate_todos.sql": "-- lock: share update exclusive on todos\n" + migration(
    "alter table todos validate constraint todos_owner_id_fkey;\n" +
      "alter table todos validate constraint todos_n_check;",
    `${unbind}\n${bindNew}`,
  ),
};

const goes: Record<string, [up: string, down: string]> = {
  table: ["-- safety: allow ban-drop-table: a test\ndrop table todos;", table + bind],
  columns: [
    "-- safety: allow ban-drop-column: a test\nalter table todos drop column n, drop column owner_id;",
    `alter table todos add column owner_id bigint, add column n integer;\n${bind}`,
  ],
};

for (const [what, [up, down]] of Object.entries(goes)) {
  Deno.test(`check: rules that a table got before its ${what} went blame no migration of then`, async () => {
    await using folder = await createFolder(bound);
    const header = "-- lock: access exclusive on todos\n-- up loses todos\n";
    await folder.write("migrations/4_drop.sql", header + migration(up, down));
    await runDb(["schema"], { folder: folder.path });
    const { code, stderr } = await runDb(["check"], { folder: folder.path });
    assertEquals(code, 0, stderr);
  });
}

Deno.test("check: a number has room in its column, and a table that waits for another one is filled later: no note", async () => {
  await using folder = await createFolder({
    "1_create_facts.sql": "-- down loses every fact\n" + migration(
      'create table "Facts" ("TimeKey" bigint not null, share numeric(4, 3) not null,\n' +
        "  score numeric(2, 1) not null check (score > 0));",
      'drop table "Facts";',
    ),
    "2_create_times.sql": "-- down loses every time\n" + migration(
      'create table "Times" ("TimeKey" bigint constraint "Times_pkey" primary key);',
      'drop table "Times";',
    ),
    "3_bind_facts.sql": '-- lock: share row exclusive on "Facts" and "Times"\n' + migration(
      'alter table "Facts" add constraint "Facts_TimeKey_fkey" foreign key ("TimeKey")\n' +
        '  references "Times" not valid;',
      'alter table "Facts" drop constraint "Facts_TimeKey_fkey";',
    ),
  });
  await runDb(["schema"], { folder: folder.path });
  const { code, stderr } = await runDb(["check"], { folder: folder.path });
  assertEquals(code, 0, stderr);
  assertEquals(stderr.match(/^note: .*/gm), null, stderr);
});

Deno.test("a table of 1,000 columns is read as any other, each column by its own values", async () => {
  await using database = await createDatabase({ empty: true });
  const columns = (write: (n: number) => string) =>
    Array.from({ length: 1000 }, (_, n) => write(n)).join(", ");
  await database.db.script(`
    create table wide (${columns((n) => `c${n} int`)});
    insert into wide select ${columns((n) => `n + ${n}`)} from generate_series(1, 3) n`);
  const session = connectPatiently(database.settings, { session: true });
  const data = await readData(session);
  await session.close();
  assertEquals(data.length, 1000);
  assertEquals(new Set(data.map(({ digest }) => digest)).size, 1000);
});

Deno.test("rows fill columns of domains too; what comes back from another type or name is no loss, what it cuts off is", async () => {
  await using database = await createDatabase({ empty: true });
  const db = connectPatiently(database.settings, { session: true });
  await db.script(`
    create domain positive as int check (value > 0);
    create table t (id int primary key, a positive not null, b numeric, c timestamptz, d real, e int, f boolean,
      g timestamptz, h time, i text)`);
  assertEquals(await fillTables(db, new Map(), { value: 0 }, []), []);
  const held = await readData(db);
  assertEquals(held.find(({ column }) => column === "a")?.values, 2);
  await db.script(`
    alter table t alter a type bigint, alter b type int, alter c type date, alter d type float8,
      alter e type numeric(12, 3), alter f type int using f::int, alter g type timestamptz(0), alter h type time(3);
    alter table t rename b to n;
    alter table t rename to u;
    alter table u drop i`);
  assertEquals(lostData(held, await readData(db, held)), [
    "values of t.b",
    "values of t.c",
    "values of t.g",
    "values of t.h",
    "column t.i",
  ]);
  await db.close();
});

import { assertEquals } from "@std/assert";
import { createFolder, migration, runDb } from "../../tests/support/command.ts";

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

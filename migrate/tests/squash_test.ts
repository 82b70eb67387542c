import { assertEquals, assertMatch } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { createFolder, migration, runDb, runDbmate } from "../../tests/support/command.ts";
import { createDatabase } from "../../tests/support/database.ts";

const history = {
  "20260101000000_create_users.sql": migration(
    "create table users (id bigint primary key, name text not null);",
    "drop table users;",
  ),
  "20260102000000_index_users_name.sql": migration(
    "create index concurrently users_name_idx on users (name);",
    "drop index concurrently users_name_idx;",
    " transaction:false",
  ),
  "20260103000000_create_notes.sql": migration(
    "create table notes (user_id bigint not null references users (id));",
    "drop table notes;",
  ),
};

Deno.test("squash: one baseline builds the same, and a database that has the old ones has it", async () => {
  await using old = await createDatabase({ empty: true });
  await using fresh = await createDatabase({ empty: true });
  await using folder = await createFolder(history);
  const place = { settings: old.settings, folder: folder.path };
  assertEquals((await runDb(["up"], place)).code, 0);
  const { code, stdout, stderr } = await runDb(["squash", "20260102"], place);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /20260102000000_baseline\.sql\n$/);
  const names = await Array.fromAsync(
    Deno.readDir(`${folder.path}/migrations`),
    ({ name }) => name,
  );
  assertEquals(names.sort(), ["20260102000000_baseline.sql", "20260103000000_create_notes.sql"]);

  const status = await runDb(["status"], place);
  assertEquals(status.code, 0, status.stdout + status.stderr);
  assertEquals((await runDb(["up"], place)).code, 0);
  assertEquals((await runDb(["drift"], place)).code, 0);
  // dbmate by hand, on the old database and on a new one.
  assertEquals((await runDbmate(["up"], place)).code, 0);
  const elsewhere = { ...place, settings: fresh.settings };
  assertEquals((await runDbmate(["up"], elsewhere)).code, 0);
  const drift = await runDb(["drift"], elsewhere);
  assertEquals(drift.code, 0, drift.stdout + drift.stderr);
});

Deno.test("squash: carries over the rows that old migrations put in, and where their sequences stand", async () => {
  await using fresh = await createDatabase({ empty: true });
  await using folder = await createFolder({
    ...history,
    "20260104000000_create_kinds.sql": migration(
      "create table kinds (id bigint generated always as identity primary key, name text, twice text\n" +
        "  generated always as (name || name) stored);\n" +
        "insert into kinds (name) values ('it''s'), (null);\n" +
        "create function first_kind() returns text language sql as 'select name from kinds';",
      "drop function first_kind();\ndrop table kinds;",
    ),
  });
  const place = { settings: fresh.settings, folder: folder.path };
  const { code, stderr } = await runDb(["squash", "20260104000000"], place);
  assertEquals(code, 0, stderr);
  assertEquals((await runDb(["up"], place)).code, 0);
  await fresh.db.script("insert into kinds (name) values ('third')");
  assertEquals(await fresh.db.query(sql`select id, name, twice from kinds order by id`), [
    { id: "1", name: "it's", twice: "it'sit's" },
    { id: "2", name: null, twice: null },
    { id: "3", name: "third", twice: "thirdthird" },
  ]);
  const wrong = await runDb(["squash", "2027"], { folder: folder.path });
  assertEquals(wrong.code, 2);
});

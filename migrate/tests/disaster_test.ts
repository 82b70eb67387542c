import { assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { createFolder, migration, runDb, runDbmate } from "../../tests/support/command.ts";
import { createDatabase } from "../../tests/support/database.ts";

const students = `create table students (
  id bigint generated always as identity,
  first_name text not null,
  last_name text not null,
  constraint students_pkey primary key (id)
);
`;

Deno.test("the tutorial's disaster: a column dropped by hand is found, not papered over, and comes back", async () => {
  await using database = await createDatabase({ empty: true });
  await using folder = await createFolder({
    "20260101000000_create_students.sql": migration(students, "drop table students;"),
  });
  const place = { settings: database.settings, folder: folder.path };
  assertEquals((await runDb(["up"], place)).code, 0);
  await database.db.script(
    "insert into students (first_name, last_name) values ('Ada', 'Lovelace'), ('Alan', 'Turing')",
  );

  // Somebody drops the column by hand. The model goes on: a colleague wants an age.
  await database.db.script("alter table students drop column last_name");
  await folder.write(
    "schema.sql",
    students.replace("last_name text not null,", "last_name text not null,\n  age integer,"),
  );
  const drafted = await runDb(["diff", "add_age"], place);
  assertEquals(drafted.code, 0, drafted.stderr);
  // The draft starts from the migrations, not from the database: the accident is no part of it.
  const draft = await Deno.readTextFile(drafted.stdout.trim());
  assertStringIncludes(draft, "alter table students add column age integer;");
  assertNotMatch(draft, /last_name/);

  // The colleague upgrades. dbmate and `up` see nothing wrong: the column is not in their way.
  assertEquals((await runDbmate(["up"], place)).code, 0);
  assertEquals((await runDb(["up"], place)).code, 0);

  // drift finds it.
  const drift = await runDb(["drift"], place);
  assertEquals(drift.code, 1);
  assertMatch(
    drift.stdout,
    /^- column public\.students\.last_name\n +only in migrations: text not null$/m,
  );

  // diff does not pretend that an empty column is the way back: it says which rows stop it.
  const back = ["diff", "bring_back_last_name", "--from", "database", "--to", "migrations"];
  const warned = await runDb(back, place);
  assertEquals(warned.code, 0, warned.stderr);
  const stops = "up stops at rows that this finds: select * from students";
  assertStringIncludes(warned.stderr, stops);
  const path = warned.stdout.trim();
  assertStringIncludes(await Deno.readTextFile(path), `-- ${stops}\n`);
  const applied = await runDb(["up"], place);
  assertEquals(applied.code, 1);
  assertMatch(applied.stderr, /column "last_name" .* contains null values/);
  await Deno.remove(path);

  // Only a person knows where the names are: here, in last night's backup.
  await database.db.script(
    "create schema backup; create table backup.students (id bigint, last_name text); " +
      "insert into backup.students values (1, 'Lovelace'), (2, 'Turing')",
  );
  await database.db.script(`
    alter table students add column last_name text;
    update students set last_name = kept.last_name
    from backup.students kept where kept.id = students.id;
    alter table students alter column last_name set not null;
    drop schema backup cascade;
  `);
  assertEquals((await runDb(["drift"], place)).code, 0);
  const rows = await database.db.query<{ last_name: string }>(
    sql`select last_name from students order by id`,
  );
  assertEquals(rows.map(({ last_name }) => last_name), ["Lovelace", "Turing"]);
});

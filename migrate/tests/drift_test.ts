import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createFolder, migration, runDb, runDbmate } from "../../tests/support/command.ts";
import { createDatabase } from "../../tests/support/database.ts";

const students = {
  "1_create_students.sql": migration(
    "create table students (id bigint generated always as identity, last_name text not null);",
    "drop table students;",
  ),
};

Deno.test("drift: a database that is what its migrations build ends with 0 and an empty result", async () => {
  await using database = await createDatabase();
  const { code, stdout, stderr } = await runDb(["drift"], database);
  assertEquals([code, stdout], [0, ""], stderr);
});

Deno.test("drift: a change by hand, which dbmate does not see, ends with 1 and its name (H23)", async () => {
  await using database = await createDatabase({ empty: true });
  await using folder = await createFolder(students);
  const place = { settings: database.settings, folder: folder.path };
  assertEquals((await runDbmate(["up"], place)).code, 0);
  await database.db.script(
    "alter table students drop column last_name; create index by_hand on students (id)",
  );
  // dbmate alone: nothing is pending, all is well.
  assertEquals((await runDbmate(["status", "--exit-code"], place)).code, 0);
  assertEquals((await runDbmate(["up"], place)).code, 0);
  for (const round of ["with a scratch server", "from what the first round kept"]) {
    const { code, stdout, stderr } = await runDb(["drift"], place);
    assertEquals(code, 1, `${round}: ${stderr}`);
    assertMatch(
      stdout,
      /^- column public\.students\.last_name\n +only in migrations: text not null$/m,
    );
    assertMatch(stdout, /^\+ index public\.by_hand$/m);
    assertStringIncludes(stderr, "2 places");
  }
  const { stdout } = await runDb(["drift", "--json"], place);
  assertEquals(JSON.parse(stdout).map((d: { name: string }) => d.name), [
    "public.students.last_name",
    "public.by_hand",
  ]);
});

Deno.test("drift: only what is recorded is expected, and a recorded migration without a file is named", async () => {
  await using database = await createDatabase({ empty: true });
  await using folder = await createFolder(students);
  const place = { settings: database.settings, folder: folder.path };
  await runDbmate(["up"], place);
  await folder.write(
    "migrations/2_more.sql",
    migration("create table more ();", "drop table more;"),
  );
  const pending = await runDb(["drift"], place);
  assertEquals(pending.code, 0, pending.stderr);
  await runDbmate(["up"], place);
  await Deno.remove(`${folder.path}/migrations/2_more.sql`);
  const { code, stderr } = await runDb(["drift"], place);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "2, whose files are not here");
});

Deno.test("drift: works for a role that may only read, in a read-only database", async () => {
  await using database = await createDatabase();
  const name = `reader_${crypto.randomUUID().slice(0, 8)}`;
  await database.db.script(`create role ${name} login password 'reads';
    alter role ${name} set default_transaction_read_only = on;
    grant select on schema_migrations to ${name}`);
  try {
    const settings = { ...database.settings, user: name, password: "reads" };
    const { code, stderr } = await runDb(["drift"], { settings });
    assertEquals(code, 0, stderr);
  } finally {
    await database.db.script(`drop owned by ${name}; drop role ${name}`);
  }
});

Deno.test("drift: finds the one index among 300 tables that is not as it was", async () => {
  await using database = await createDatabase({ empty: true });
  const tables = Array.from({ length: 300 }, (_, i) => `
    create table t${i} (id bigint generated always as identity, name text not null, at timestamptz,
      constraint t${i}_pkey primary key (id), constraint t${i}_name_check check (name <> ''));
    create index t${i}_at_idx on t${i} (at, name);`);
  await using folder = await createFolder({
    "1_tables.sql": migration(tables.join(""), "drop schema public cascade; create schema public;"),
  });
  const place = { settings: database.settings, folder: folder.path };
  await runDbmate(["up"], place);
  await database.db.script("drop index t217_at_idx; create index t217_at_idx on t217 (name, at)");
  const { code, stdout } = await runDb(["drift"], place);
  assertEquals(code, 1);
  assertMatch(stdout, /^~ index public\.t217_at_idx\n.*\(at, name\)\n.*\(name, at\)\n$/);
});

Deno.test("drift: a scratch server of its own serves a database of any version, every kind of object in it, and leaves nothing behind", async () => {
  await using database = await createDatabase({ empty: true });
  const kinds = await Deno.readTextFile(new URL("./fixtures/every_kind.sql", import.meta.url));
  await using folder = await createFolder({
    "1_kinds.sql": migration(kinds.replaceAll(/^set /gm, "set local ")),
  });
  const place = { settings: database.settings, folder: folder.path };
  assertEquals((await runDbmate(["up"], place)).code, 0);
  const temporary = `${folder.path}/tmp`;
  await Deno.mkdir(temporary);
  // For the account that root's servers run as.
  await Deno.chmod(folder.path, 0o711);
  await Deno.chmod(temporary, 0o1777);
  const env = { SCRATCH_DATABASE_URL: "", TMPDIR: temporary };
  const { code, stdout, stderr } = await runDb(["drift"], { ...place, env });
  assertEquals([code, stdout], [0, ""], stderr);
  assertEquals([...Deno.readDirSync(temporary)], []);
});

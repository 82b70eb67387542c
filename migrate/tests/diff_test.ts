import { assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { databaseUrl } from "../../postgres/settings.ts";
import {
  createFolder,
  type Folder,
  migration,
  runDb,
  runDbmate,
} from "../../tests/support/command.ts";
import { createDatabase } from "../../tests/support/database.ts";

const users = `create table users (
  id bigint generated always as identity,
  name text not null,
  age integer,
  constraint users_pkey primary key (id)
);
`;
const history = {
  "20260101000000_create_users.sql": `-- down loses every user\n${
    migration(users, "drop table users;")
  }`,
};

/** A folder with the table of users, and a schema.sql that says otherwise. */
async function edited(schema: string): Promise<Folder> {
  const folder = await createFolder(history);
  await folder.write("schema.sql", schema);
  return folder;
}

async function migrationsOf({ path }: Folder): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(`${path}/migrations`), ({ name }) => name);
  return names.sort();
}

Deno.test("diff: where there is nothing to do it says so, ends with 0 and writes no file", async () => {
  await using folder = await edited(users);
  const { code, stdout, stderr } = await runDb(["diff", "nothing"], { folder: folder.path });
  assertEquals([code, stdout], [0, ""], stderr);
  assertStringIncludes(stderr, "nothing to do");
  assertEquals((await migrationsOf(folder)).length, 1);
});

Deno.test("diff: writes what was edited in schema.sql as a migration that check accepts", async () => {
  await using folder = await edited(
    users.replace("age integer,", "age integer,\n  email text,") +
      "create table notes (id bigint generated always as identity, user_id bigint not null,\n" +
      "  constraint notes_pkey primary key (id),\n" +
      "  constraint notes_user_id_fkey foreign key (user_id) references users (id));\n" +
      "comment on column users.email is 'For receipts.';\n",
  );
  const { code, stdout, stderr } = await runDb(["diff", "add notes"], { folder: folder.path });
  assertEquals(code, 0, stderr);
  const path = /^.*_add_notes\.sql$/m.exec(stdout)![0];
  const text = await Deno.readTextFile(path);
  assertEquals(
    text,
    `-- Why: say it here. Drafted: adds column users.email, adds comment on column users.email, adds
-- table notes.
-- lock: access exclusive on users, for a moment
-- down loses table notes, column users.email, with the place among the columns

-- migrate:up
create table notes (
  id bigint generated always as identity not null,
  user_id bigint not null,
  constraint notes_pkey primary key (id)
);

alter table users add column email text;

alter table notes
  add constraint notes_user_id_fkey foreign key (user_id) references users (id);

comment on column users.email is 'For receipts.';

-- migrate:down
alter table notes drop constraint notes_user_id_fkey;

alter table users drop column email;

drop table notes;
`,
  );
  await runDb(["schema"], { folder: folder.path });
  const unsaid = await runDb(["check"], { folder: folder.path });
  assertMatch(unsaid.stderr, /_add_notes\.sql:1: nobody has written down why \[unwritten\]/);
  await Deno.writeTextFile(path, text.replace("Why: say it here.", "Notes and receipts."));
  const checked = await runDb(["check"], { folder: folder.path });
  assertEquals(checked.code, 0, checked.stderr);
});

Deno.test("diff: a rename is suggested, never guessed, and keeps the data when it is said", async () => {
  await using folder = await edited(users.replace("age integer", "years_old integer"));
  const place = { folder: folder.path };
  const guess = await runDb(["diff", "rename", "--stdout"], place);
  assertMatch(guess.stderr, /run it again with --rename users\.age=years_old/);
  assertMatch(guess.stderr, /up loses column users\.age/);
  assertMatch(guess.stdout, /^-- up loses column users\.age/m);
  const said = await runDb(
    ["diff", "rename", "--rename", "users.age=years_old", "--stdout"],
    place,
  );
  assertEquals(said.code, 0, said.stderr);
  assertMatch(said.stdout, /^alter table users rename column age to years_old;$/m);
  assertMatch(said.stdout, /^alter table users rename column years_old to age;$/m);
  assertMatch(said.stdout, /Drafted: renames users\.age to years_old\.$/m);
  assertNotMatch(said.stdout, /(up|down) loses (?!nothing)|drop /);
  const wrong = await runDb(["diff", "rename", "--rename", "users.years=years_old"], place);
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.stderr, "users.years");
  assertEquals((await migrationsOf(folder)).length, 1);
});

Deno.test("diff: what only some rows stop is written, with the query that finds them, and a hint says what becomes of them (H25)", async () => {
  await using folder = await edited(
    users.replace("age integer,", "age integer,\n  email text not null,"),
  );
  const place = { folder: folder.path };
  const written = await runDb(["diff", "require_email", "--stdout"], place);
  assertEquals(written.code, 0, written.stderr);
  assertMatch(
    written.stdout,
    /^-- up stops at rows that this finds: select \* from users$/m,
  );
  const hint = migration(
    "alter table users add column email text;\n\nupdate users set email = id || '@slate.invalid';",
    "alter table users drop column email;",
  );
  await folder.write("hint.sql", hint);
  const done = await runDb(["diff", "require_email", "--hint", `${folder.path}/hint.sql`], place);
  assertEquals(done.code, 0, done.stderr);
  const text = await Deno.readTextFile(done.stdout.trim());
  assertMatch(
    text,
    /add column email text;\n\nupdate users .*\n\nalter table users alter column email set not null;/,
  );
});

Deno.test("diff: a new value of an enum gets a migration of its own before it is used", async () => {
  const schema =
    "create type mood as enum ('sad', 'happy');\ncreate table t (mood mood default 'sad');\n";
  await using folder = await createFolder({
    "20260101000000_create_t.sql": migration(schema, "drop table t;\ndrop type mood;"),
  });
  await folder.write(
    "schema.sql",
    schema.replace("'happy'", "'happy', 'new'").replace("'sad')", "'new')"),
  );
  const { stdout } = await runDb(["diff", "mood", "--stdout"], { folder: folder.path });
  const files = [...stdout.matchAll(/^-- file: (\w+)$/gm)].map(([, name]) => name);
  assertEquals(files, ["mood_1", "mood_2"]);
  assertMatch(stdout.split("-- file: mood_2")[0]!, /add value 'new'/);
});

Deno.test("diff: between two files, and from a live database by its URL, which is only read", async () => {
  await using database = await createDatabase({ empty: true });
  await using folder = await createFolder(history);
  const place = { settings: database.settings, folder: folder.path };
  await runDbmate(["up"], place);
  await database.db.script("create index by_hand on users (name)");
  for (const from of ["database", databaseUrl(database.settings)]) {
    const { code, stdout, stderr } = await runDb(
      ["diff", "back", "--from", from, "--to", "migrations", "--stdout"],
      place,
    );
    assertEquals(code, 0, stderr);
    assertMatch(
      stdout,
      /-- migrate:up\ndrop index by_hand;\n\n-- migrate:down\ncreate index by_hand on users \(name\);/,
    );
    assertNotMatch(stdout + stderr, new RegExp(`:${database.settings.password}@`));
  }
  await folder.write("a.sql", "create table a (id bigint);");
  await folder.write("b.sql", "create table a (id bigint);\ncreate tabel b (id bigint);");
  const sides = ["--from", `${folder.path}/a.sql`, "--to", `${folder.path}/b.sql`];
  const bad = await runDb(["diff", "x", ...sides], place);
  assertEquals(bad.code, 1);
  assertMatch(bad.stderr, /b\.sql:2: syntax error at or near "tabel"; correct it/);
});

Deno.test("diff and up: where plain values meet in an exclusion constraint, the extension is named; a hint of PostgreSQL's is shown", async () => {
  const rule = "create table spans (\n  room bigint,\n  constraint spans_excl" +
    " exclude using gist (room with =)\n);";
  await using folder = await edited(`${users}\n${rule}\n`);
  const refused = await runDb(["diff", "spans"], { folder: folder.path });
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, "`create extension btree_gist` before it; correct it");

  await folder.write("migrations/20260102000000_spans.sql", migration(rule, "drop table spans;"));
  await using database = await createDatabase({ empty: true });
  const { settings } = database;
  const up = await runDb(["up"], { settings, folder: folder.path });
  assertEquals(up.code, 1);
  assertStringIncludes(up.stderr, "(42704); `create extension btree_gist` before it; correct it");

  await folder.write("schema.sql", `${users}\ncreate view v as select users.nam from users;\n`);
  await Deno.remove(`${folder.path}/migrations/20260102000000_spans.sql`);
  const misspelt = await runDb(["diff", "view"], { folder: folder.path });
  assertStringIncludes(misspelt.stderr, 'to reference the column "users.name"; correct it');
});

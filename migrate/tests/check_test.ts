import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createFolder, migration, runDb, runDbmate } from "../../tests/support/command.ts";
import { createDatabase } from "../../tests/support/database.ts";

const people = migration(
  "create table people (id bigint generated always as identity, name text not null, age integer,\n" +
    "  constraint people_pkey primary key (id));",
  "drop table people;",
).replace(/^/, "-- down loses every person\n");

/** dbmate alone: up, rollback and up again, each without a word of complaint. */
async function passesDbmate(folder: string, times = 2) {
  await using database = await createDatabase({ empty: true });
  const place = { settings: database.settings, folder };
  for (let i = 0; i < times; i++) {
    const up = await runDbmate(["up"], place);
    assertEquals(up.code, 0, up.stderr + up.stdout);
    if (i === times - 1) return;
    const back = await runDbmate(["rollback"], place);
    assertEquals(back.code, 0, back.stderr + back.stdout);
  }
}

/** The findings of `check`, but for the schema.sql that these folders lack. */
async function check(folder: string): Promise<string> {
  const { code, stderr } = await runDb(["check"], { folder });
  assertEquals(code, 1, stderr);
  return stderr.replace(/^.*schema\.sql: is not there.*\n/m, "").replace(
    /^(one finding|\d+ findings) in .*\n/m,
    "",
  );
}

Deno.test("check: the project's own migrations are valid", async () => {
  const { code, stderr } = await runDb(["check"]);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /^\d+ migrations are valid/);
});

/** What a down may leave behind, and the words of the finding (H21). */
const leaks: Record<string, [up: string, down: string, expected: string]> = {
  function: [
    "create or replace function double(n integer) returns integer language sql return n * 2;",
    "select 'forgotten';",
    "+ function public.double(integer)",
  ],
  type: [
    "do $$ begin create type mood as enum ('sad', 'happy'); exception when duplicate_object then null; end $$;",
    "select 'forgotten';",
    "+ type public.mood",
  ],
  default: [
    "alter table people alter column age set default 18;",
    "select 'forgotten';",
    "~ column public.people.age",
  ],
  comment: [
    "comment on column people.age is 'In years.';",
    "select 'forgotten';",
    "+ comment on column public.people.age",
  ],
  grant: [
    "grant select on people to pg_monitor;",
    "select 'forgotten';",
    "+ grant on table public.people to pg_monitor",
  ],
  "column order": [
    "-- safety: allow ban-drop-column: a test\nalter table people drop column name;",
    "alter table people add column name text not null default '';",
    "~ column order public.people",
  ],
};

Deno.test("check: what a down leaves behind is found, of each kind (H21)", async () => {
  await using folder = await createFolder({ "1_create_people.sql": people });
  const header = "-- lock: access exclusive\n-- up loses names\n";
  for (const [i, [up, down]] of Object.values(leaks).entries()) {
    await folder.write(`migrations/${i + 2}_change.sql`, header + migration(up, down));
  }
  await passesDbmate(folder.path);
  const found = await check(folder.path);
  assertEquals(found.match(/down does not restore what was there before up \[/g)?.length, 6, found);
  for (const [, , expected] of Object.values(leaks)) assertStringIncludes(found, expected);
});

Deno.test("check: an up that fails the second time is found (H22)", async () => {
  await using folder = await createFolder({
    "1_create_people.sql": migration(
      "create type mood as enum ('sad', 'happy');\ncreate table people (mood mood);",
      "drop table people;",
    ),
  });
  // dbmate applies it and reverts it; the next deployment would be the first to know.
  await using database = await createDatabase({ empty: true });
  const place = { settings: database.settings, folder: folder.path };
  assertEquals((await runDbmate(["up"], place)).code, 0);
  assertEquals((await runDbmate(["rollback"], place)).code, 0);
  assertEquals((await runDbmate(["up"], place)).code, 2);
  const found = await check(folder.path);
  assertMatch(
    found,
    /1_create_people\.sql:2: works once and not again .*type "mood" already exists/,
  );
});

Deno.test("check: an up that works on empty tables only is found", async () => {
  await using folder = await createFolder({
    "1_create_people.sql": people,
    "2_require_email.sql": "-- lock: access exclusive\n-- down loses emails\n" + migration(
      "alter table people add column email text not null;",
      "alter table people drop column email;",
    ),
  });
  await passesDbmate(folder.path);
  const found = await check(folder.path);
  assertMatch(
    found,
    /2_require_email\.sql:4: up fails: column "email" .* contains null values \[up-fails-with-rows\]; it fails with rows/,
  );
});

/** Statements that stop a table's users, the rule that finds them, and its words (H24). */
const risks: [statement: string, down: string, rule: string, words: RegExp][] = [
  [
    "alter table people alter column age type bigint;",
    "alter table people alter column age type integer;",
    "rewrite",
    /writes all of people anew under access exclusive/,
  ],
  [
    "alter table people add constraint people_age_check check (age > -1);",
    "alter table people drop constraint people_age_check;",
    "scan-under-lock",
    /reads every row of people while it holds access exclusive: readers and writers wait/,
  ],
  [
    "create index people_name_idx on people (name);",
    "drop index people_name_idx;",
    "scan-under-lock",
    /reads every row of people while it holds share: writers wait/,
  ],
  [
    "alter table people rename column age to years;",
    "alter table people rename column years to age;",
    "renaming-column",
    /may break existing clients/,
  ],
];

Deno.test("check: a statement that stops a table's users is a risk, until a reason accepts it (H24)", async () => {
  await using folder = await createFolder({ "1_create_people.sql": people });
  const write = (i: number, up: string, down: string) =>
    folder.write(
      `migrations/${i + 2}_change.sql`,
      `-- lock: access exclusive or share\n${migration(up, down)}`,
    );
  for (const [i, [statement, down]] of risks.entries()) await write(i, statement, down);
  await passesDbmate(folder.path);
  const found = (await check(folder.path)).split("\n");
  for (const [i, [statement, down, rule, words]] of risks.entries()) {
    const mine = found.filter((line) => line.includes(`${i + 2}_change.sql:3: `));
    assertMatch(mine.find((line) => line.includes(`[${rule}]`)) ?? "", words, mine.join("\n"));
    const rules = mine.map((line) => /\[([\w-]+)\];/.exec(line)![1]);
    const accepted = rules.map((name) => `-- safety: allow ${name}: the table is small\n`).join("");
    await write(i, accepted + statement, down);
  }
  assertEquals(await check(folder.path), "");
});

Deno.test("check: an acceptance without a reason, or of nothing, is a finding", async () => {
  await using folder = await createFolder({
    "1_create_people.sql": people.replace(
      "create table",
      "-- safety: allow rewrite: there is none\n-- safety: allow renaming-column\n-- safety: off\ncreate table",
    ),
  });
  const found = await check(folder.path);
  assertMatch(
    found,
    /1_create_people\.sql:3: accepts rewrite, which the statement below does not do/,
  );
  assertMatch(found, /1_create_people\.sql:4: accepts renaming-column without a reason/);
  assertMatch(found, /1_create_people\.sql:5: this acceptance is not understood/);
});

Deno.test("check: a lock that the header does not name is a finding (H24)", async () => {
  await using folder = await createFolder({
    "1_create_people.sql": people,
    "2_change.sql": "-- lock: none\n-- down loses ages\n" + migration(
      "alter table people add column height integer;",
      "alter table people drop column height;",
    ),
  });
  await passesDbmate(folder.path);
  assertMatch(
    await check(folder.path),
    /takes access exclusive on people, and the header's lock line/,
  );
});

Deno.test("check: a down that loses data without saying so is found, a rename is none (H25)", async () => {
  const add = migration(
    "alter table people add column email text;\ncomment on table people is 'Once renamed.';",
    "alter table people drop column email;\ncomment on table people is null;",
  );
  await using folder = await createFolder({
    "1_create_people.sql": people,
    "2_add_email.sql": `-- lock: access exclusive\n-- down loses nothing\n${add}`,
    "3_rename.sql": "-- lock: access exclusive\n-- down loses nothing\n" + migration(
      "-- safety: allow renaming-column: a test\nalter table people rename column age to years;",
      "alter table people rename column years to age;",
    ),
  });
  await passesDbmate(folder.path);
  const found = await check(folder.path);
  assertMatch(
    found,
    /2_add_email\.sql:7: down loses column people\.email, and its header does not say so/,
  );
  assertEquals(found.match(/: down loses/g)?.length, 1, found);
  await folder.write(
    "migrations/2_add_email.sql",
    `-- lock: access exclusive\n-- down loses every address\n${add}`,
  );
  assertEquals(await check(folder.path), "");
});

Deno.test("check: a type change that cuts values off is found (H25)", async () => {
  await using folder = await createFolder({
    "1_create_people.sql": people,
    "2_shorten.sql": "-- lock: access exclusive\n" + migration(
      "-- safety: allow rewrite: a test\nalter table people alter column name type varchar(3) using name::varchar(3);",
      "alter table people alter column name type text;",
    ),
  });
  await passesDbmate(folder.path);
  assertMatch(await check(folder.path), /2_shorten\.sql:2: up loses values of people\.name/);
});

Deno.test("check: an irreversible migration has a reason and a down that raises", async () => {
  const raise = "do $$ begin raise exception 'irreversible: names are hashed'; end $$;";
  const header = "-- irreversible: names are hashed\n";
  await using folder = await createFolder({
    "1_create_people.sql": people,
    "2_hash_names.sql": header + migration("update people set name = md5(name);", raise),
    "3_comment.sql": migration(
      "comment on table people is 'x';",
      "comment on table people is null;",
    ),
  });
  const found = await check(folder.path);
  assertMatch(found, /3_comment\.sql:2: takes share update exclusive/);
  assertEquals(found.trim().split("\n").length, 1, found);
});

Deno.test("check: a stale schema.sql is found; Windows line ends are not stale (H26, H27)", async () => {
  await using folder = await createFolder({ "1_create_people.sql": people });
  await passesDbmate(folder.path, 1);
  const missing = await runDb(["check"], { folder: folder.path });
  assertMatch(
    missing.stderr,
    /schema\.sql: is not there \[schema-file-missing\]; run `deno task db schema`/,
  );
  await runDb(["schema"], { folder: folder.path });
  const text = await Deno.readTextFile(`${folder.path}/schema.sql`);
  await folder.write("schema.sql", text.replaceAll("\n", "\r\n"));
  await folder.write("migrations/1_create_people.sql", people.replaceAll("\n", "\r\n"));
  const windows = await runDb(["check"], { folder: folder.path });
  assertEquals(windows.code, 0, windows.stderr);
  await folder.write("schema.sql", text.replace("age integer", "age bigint"));
  const stale = await runDb(["check"], { folder: folder.path });
  assertEquals(stale.code, 1);
  assertMatch(stale.stderr, /schema\.sql:7: is not what the migrations build/);
});

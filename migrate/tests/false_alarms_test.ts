import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createDatabase } from "../../tests/support/database.ts";
import { migration } from "../../tests/support/command.ts";
import { createForeign, findings, named } from "./support.ts";

/** Each once was found wrong by `check`, and is right. */
const innocent: Record<string, string> = {
  "01_grant_on_dbmates_table.sql": migration(
    "grant select on schema_migrations to public;",
    "revoke select on schema_migrations from public;",
  ),
  "02_make_role.sql": migration(
    "create role guard_test_reader nologin;\n" +
      "do $$ begin\n  if not exists (select from pg_roles where rolname = 'guard_test_passer') then\n" +
      "    create role guard_test_passer bypassrls;\n  end if;\n" +
      "  assert (select rolbypassrls from pg_roles where rolname = 'guard_test_passer');\nend $$;\n" +
      "grant guard_test_reader to guard_test_passer;",
    "drop role guard_test_reader, guard_test_passer;",
  ),
  "03_grant_to_role_of_server.sql": migration(
    "create table kind (id int primary key, name text not null);\n" +
      "grant select on kind to guard_test_reader, guard_test_writer;",
    "drop table kind;",
  ),
  "04_insert_into_earlier_table.sql": migration(
    "insert into kind (id, name) values (1, 'red'), (2, 'blue');",
    "delete from kind where id in (1, 2);",
  ),
  "05_use_temporary_table.sql": migration(
    "create temporary table w (a int);\ninsert into w values (1);\ndrop table w;\n" +
      "set lock_timeout = '1s';\nreset lock_timeout;",
    "select 1;",
  ),
  "06_shape_own_table.sql": migration(
    "create table orders (id bigint, note text);\n" +
      "alter table orders add constraint orders_pkey primary key (id);\n" +
      "alter table orders add column total int not null;\n" +
      "create index orders_total_idx on orders (total);\n" +
      "alter table orders rename column note to remark;",
    "drop table orders;",
  ),
  "07_comment_with_directive.sql": migration(
    "/*\n   -- Migrate:Down of the old days\n*/\ncreate view totals as select total from orders;",
    "drop view totals;",
  ),
  "08_seed_keys.sql": migration(
    "insert into kind (id, name) select n, 'kind ' || n from generate_series(3, 60) n;",
    "delete from kind where id > 2;",
  ),
  "09_large_seed.sql": migration(
    "create table words (word text);\n" +
      `insert into words values\n${"('a word of a large seed'),\n".repeat(45_000)}('end');`,
    "drop table words;",
  ),
  "10_if_not_exists.sql": migration(
    "create table if not exists numbers (id serial primary key, part serial, place point, way path);\n" +
      "create index if not exists numbers_part_idx on numbers (part);",
    "drop table numbers;",
  ),
  "11_seed_numbers.sql": migration(
    "insert into numbers (id, part) select n, n from generate_series(1, 60) n;",
    "delete from numbers;",
  ),
  "12_create_identity.sql": migration(
    "create table later (id bigint generated always as identity, part int);\n" +
      "create index if not exists numbers_part_idx on numbers (part);",
    "drop table later;",
  ),
};

Deno.test("check: what is right in somebody's project is no finding: roles, seeds, own tables, dbmate's table", async () => {
  await using project = await createForeign(innocent);
  const { code, stderr } = await project.run(["check"]);
  assertEquals(findings({ code, stdout: "", stderr }), []);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /^12 migrations are valid/);
});

Deno.test("check: roles are gone from a scratch server afterwards, and the next one makes them again", async () => {
  await using database = await createDatabase({ empty: true });
  const { "02_make_role.sql": make, "03_grant_to_role_of_server.sql": grant } = innocent;
  await using project = await createForeign({ "1_make.sql": make!, "2_grant.sql": grant! });
  for (const _ of [1, 2]) {
    const { code, stderr } = await project.run(["check"]);
    assertEquals(code, 0, stderr);
  }
  const { sql } = await import("../../postgres/mod.ts");
  const roles = await database.db.query(
    sql`select rolname from pg_roles where starts_with(rolname, 'guard_test_')`,
  );
  assertEquals(roles, []);
});

Deno.test("check: what dbmate passes over is a warning with a name, not a wall (H8, H14, H15)", async () => {
  await using project = await createForeign({
    "1_create.sql": migration("create table a (b int);", "-- nothing"),
    "2_index.sql": migration(
      "create index concurrently if not exists a_b on a (b);",
      "drop index a_b;",
      " transaction:false",
    ),
    "seed.sql": "select 1;",
  });
  await Deno.mkdir(`${project.path}/db/migrations/archive`);
  const { code, stderr } = await project.run(["check"]);
  assertEquals(code, 0, stderr);
  for (
    const words of [
      "1_create.sql:4: the down block has no statement, and dbmate would record it as done [empty-down]",
      "2_index.sql:2: `concurrently if not exists` passes over an invalid index of that name [concurrently-if-not-exists]",
      "db/migrations/archive: dbmate does not look into sub-directories [ignored-file]",
      "db/migrations/seed.sql: dbmate ignores a file of this name [ignored-file]",
    ]
  ) assertStringIncludes(stderr, words);
  assertMatch(stderr, /2 migrations are valid, 4 warnings/);
  await using database = await createDatabase({ empty: true });
  const up = await project.run(["up"], named(database.settings));
  assertEquals(up.code, 0, up.stderr);
  assertEquals(up.stdout.match(/^applied /gm)?.length, 2);
});

Deno.test("check: an invented row that meets a seed's key is not the seed's fault, a broken index is", async () => {
  await using project = await createForeign({
    "1_create.sql": migration(
      "create table kind (id int primary key, name text);",
      "drop table kind;",
    ),
    "2_seed.sql": migration(
      `insert into kind (id, name) values ${
        Array.from({ length: 40 }, (_, i) => `(${i}, 'kind ${i}')`).join(", ")
      };`,
      "delete from kind;",
    ),
    "3_twins.sql": migration(
      "alter table kind add column half int;\nupdate kind set half = 1;\n" +
        "create unique index kind_half_idx on kind (half);",
      "alter table kind drop column half;",
    ),
  });
  const found = findings(await project.run(["check"]));
  assertEquals(found.filter((line) => line.includes("2_seed.sql")), []);
  assert(found.some((line) => /3_twins\.sql:4: .*\[up-fails\]/.test(line)), found.join("\n"));
});

Deno.test("check: the same files give the same findings in the same order", async () => {
  const tables = Array.from({ length: 6 }, (_, i) =>
    migration(
      `create table t${i} (id int primary key, kind text check (kind in ('a', 'b')), n int` +
        `${i > 0 ? ` references t${i - 1}` : ""});\nalter table t0 add column c${i} int not null;`,
      `select ${i};`,
    ));
  await using project = await createForeign(
    Object.fromEntries(tables.map((text, i) => [`${i + 1}_t.sql`, text])),
  );
  const first = findings(await project.run(["check"]));
  assert(first.length > 5, first.join("\n"));
  assertEquals(findings(await project.run(["check"])), first);
});

Deno.test("drift: another search_path, Windows line ends and an order of columns are told as they are (H26)", async () => {
  await using database = await createDatabase({ empty: true });
  const { db, settings } = database;
  const body =
    "create function f() returns int language plpgsql as $$\nbegin\n  return 1;\nend $$;";
  await using project = await createForeign({
    "1_create.sql": migration(
      `create table a (b int, c int default length('one\ntwo'));\n${body}\n` +
        "comment on table a is 'one\ntwo';\ncreate view v as select 'one\ntwo' as w;",
      "drop table a;",
    ).replaceAll("\n", "\r\n"),
  });
  await db.script(`create schema app; alter database ${settings.database} set search_path = app`);
  const applied = await project.dbmate(["migrate"], settings);
  assertEquals(applied.code, 0, applied.stderr);
  const clean = await project.run(["drift"], named(settings));
  assertEquals([clean.code, clean.stdout], [0, ""], clean.stderr);
  assertMatch(clean.stderr, /is what one recorded migration builds\n/);
  await db.script("alter table app.a drop column b; alter table app.a add column b int");
  const order = await project.run(["drift"], named(settings));
  assertEquals(order.code, 0, order.stdout);
  assertMatch(order.stderr, /builds, but for the order of columns/);
  const url = `${named(settings).DATABASE_URL}&search_path=app`;
  assertEquals((await project.run(["status"], { DATABASE_URL: url })).code, 0);
});

Deno.test("check: a type that widens is no finding, one that rewrites is one; a unique constraint is one with what helps it", async () => {
  await using project = await createForeign({
    "1_create.sql": migration(
      "create table guests (id int primary key, agent varchar(127), code text not null);",
      "drop table guests;",
    ),
    "2_widen.sql": migration(
      "alter table guests alter column agent type varchar(256);",
      "alter table guests alter column agent type varchar(127);",
    ),
    "3_rewrite.sql": migration(
      "alter table guests alter column id type bigint;",
      "alter table guests alter column id type int;",
    ),
    "4_unique.sql": migration(
      "alter table guests\n  drop constraint if exists guests_code_key,\n" +
        "  add constraint guests_code_key unique (code);",
      "alter table guests drop constraint guests_code_key;",
    ),
    "5_required.sql": migration(
      "alter table guests alter column code drop not null;",
      "alter table guests alter column code set not null;",
    ),
    "6_required_again.sql": migration(
      "alter table guests alter column code set not null;",
      "alter table guests alter column code drop not null;",
    ),
  });
  const found = findings(await project.run(["check"]))
    .filter((line) => /[346]_\w+\.sql|2_widen/.test(line));
  assertEquals(found.map((line) => /(\d_\w+\.sql:\d+).*\[(.*?)\]/.exec(line)?.slice(1)), [
    ["3_rewrite.sql:2", "rewrite"],
    ["4_unique.sql:2", "scan-under-lock"],
    ["6_required_again.sql:2", "up-fails-with-rows"],
  ]);
  assertMatch(found[1]!, /add the constraint `using index`/);
});

Deno.test("check: a schema of the search_path that schema.sql makes is loaded; tables without rows are noted once", async () => {
  await using project = await createForeign({
    "1_create.sql": migration(
      'create table hard (id int not null check (id * 2 = 7));\ncreate schema "b-c";\n' +
        "create table harder (id int not null check (id * 2 = 7));\ncreate table public.plain (id int);",
      'drop table public.plain;\ndrop table harder;\ndrop schema "b-c";\ndrop table hard;',
    ),
    "2_more.sql": migration("alter table hard add b text;", "drop table nowhere;"),
    "3_more.sql": migration("alter table hard add c text;", "alter table hard drop column c;"),
  });
  await project.write(
    "db/schema.sql",
    'CREATE SCHEMA app;\nCREATE SCHEMA IF NOT EXISTS app;\nCREATE SCHEMA "b-c";\n' +
      "CREATE TABLE app.schema_migrations (version character varying(128) primary key);\n" +
      "CREATE TABLE app.hard (id integer not null, b text, c text,\n" +
      "  CONSTRAINT hard_id_check CHECK (id * 2 = 7));\n" +
      "CREATE TABLE public.plain (id integer);\nCREATE TABLE app.harder (id integer not null,\n" +
      "  CONSTRAINT harder_id_check CHECK (id * 2 = 7));\n",
  );
  const url = "postgres://nobody@localhost/none?search_path=app,%22b-c%22";
  const { stderr } = await project.run(["check"], { DATABASE_URL: url });
  assertMatch(stderr, /2_more\.sql:5: down fails: .*nowhere.*\none finding in 3 migrations/);
  assertEquals(stderr.match(/^note: .*/gm)?.length, 1, stderr);
  assertMatch(stderr, /^note: no row could be made for hard, harder \(.*\): proven with them /m);
  const schema = await project.run(["schema"], { DATABASE_URL: url });
  assertEquals(schema.code, 0, schema.stderr);
  assertMatch(await project.read("db/schema.sql"), /create table public\.plain \(/);
});

Deno.test("diff: roles that a migration makes or names stand in both sides, whichever comes first", async () => {
  await using project = await createForeign({
    "1_create.sql": migration(
      "create role guard_diff_made nologin;\ncreate table a (b int, c serial primary key);\n" +
        "insert into a values (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6);\n" +
        "grant select on a to guard_diff_made;\ngrant insert on a to guard_diff_named;",
      "drop table a;\ndrop role guard_diff_made;",
    ),
  });
  const schema = await project.run(["schema"]);
  assertEquals(schema.code, 0, schema.stderr);
  for (const sides of [[], ["--from", "schema", "--to", "migrations"]]) {
    const { code, stderr } = await project.run(["diff", "nothing", ...sides]);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /are equal: nothing to do/);
  }
  const text = await project.read("db/schema.sql");
  await project.write("db/schema.sql", `${text}grant update on a to guard_diff_new;\n`);
  const { code, stdout, stderr } = await project.run(["diff", "grant", "--stdout"]);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /grant update on table a to guard_diff_new/);
});

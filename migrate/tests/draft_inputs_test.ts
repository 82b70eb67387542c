import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { createFolder, migration, runDb } from "../../tests/support/command.ts";
import { difference } from "./support.ts";

const types: [string, string, string][] = [
  ["domain", "create domain q as int;", "create domain q as bigint;"],
  ["range", "create type q as range (subtype = int4);", "create type q as range (subtype = int8);"],
  ["composite", "create type q as (a int);", "create type q as (a bigint);"],
];

for (const [kind, before, after] of types) {
  Deno.test(`diff: a ${kind} type that a column uses and that changes is refused by name, with a way out`, async () => {
    const table = "create table t (a q);";
    const { code, stderr } = await difference(before + table, after + table);
    assertEquals(code, 1, stderr);
    assertMatch(stderr, /no draft leads there: .*q.*--hint/s);
  });
}

Deno.test("diff: an unchanged domain with a pattern stays as it is beside a changed one", async () => {
  const zip = "create domain zip as text check (value ~ '^\\d{5}$');";
  const domain = (least: number) => `${zip} create domain q as int check (value > ${least});`;
  const { code, stdout, stderr } = await difference(domain(0), domain(1));
  assertEquals(code, 0, stderr);
  assertNotMatch(stdout, /zip/);
});

Deno.test("diff: a serial column that becomes an identity goes on behind its numbers, and back", async () => {
  const { code, stdout, stderr } = await difference(
    "create table t (id serial primary key, n text);",
    "create table t (id int generated always as identity primary key, n text);",
  );
  assertEquals(code, 0, stderr);
  assertEquals(stdout.match(/select setval\('t_id_seq', max\(id\)\) from t/g)?.length, 2);
});

Deno.test("diff: a check on a varchar, or one with several conditions, is no difference after another parse", async () => {
  const table = (more: string, range: string) =>
    `create table t (status varchar(20) check (status in ('new', 'done')), first_name text, age int${more},
      check (first_name <> '' and ${range}));
    create index on t (age) where first_name <> '' and ${range};
    create view v as select age from t where first_name <> '' and ${range};`;
  const { code, stdout, stderr } = await difference(
    table("", "age between 0 and 150"),
    table(", x int", "age >= 0 and age <= 150"),
  );
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /alter table t add column x integer;/);
  assertNotMatch(stdout, /constraint|index|view/);
});

Deno.test("diff: an enum takes the place of another one under a default, by the labels", async () => {
  const enums = "create type one as enum ('a', 'b'); create type two as enum ('a', 'b');";
  const { code, stdout, stderr } = await difference(
    `${enums} create table t (x one default 'a');`,
    `${enums} create table t (x two default 'b');`,
  );
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /type two using x::text::two;/);
});

Deno.test("diff: functions whose bodies name each other are made in an order, or unchecked", async () => {
  const functions = (a: string, b: string) =>
    `set check_function_bodies = off;
    create function a_first() returns int language sql as 'select ${a}';
    create function z_last() returns int language sql as 'select ${b}';`;
  const ordered = await difference("select 1;", functions("z_last()", "1"));
  assertEquals(ordered.code, 0, ordered.stderr);
  assertMatch(ordered.stdout, /function z_last[^]*function a_first/);
  const mutual = await difference("select 1;", functions("z_last()", "a_first()"));
  assertEquals(mutual.code, 0, mutual.stderr);
  assertMatch(mutual.stdout, /^set local check_function_bodies = off;$/m);
});

Deno.test("diff: a table becomes a child without being made anew", async () => {
  const tables = "create table p (a int); create table c (a int";
  const { code, stdout, stderr } = await difference(`${tables});`, `${tables}) inherits (p);`);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /up\nalter table c inherit p;\n/);
  assertNotMatch(stdout, /drop table/);
});

Deno.test("diff: a quoted name is suggested as a rename, and taken as it was suggested", async () => {
  const table = (column: string) => `create table "Users" (id int, "${column}" text);`;
  const asked = await difference(table("firstName"), table("givenName"));
  assertMatch(asked.stderr, /--rename "Users"\."firstName"="givenName"/);
  for (const rename of ['"Users"."firstName"="givenName"', "Users.firstName=givenName"]) {
    const done = await difference(table("firstName"), table("givenName"), "--rename", rename);
    assertEquals(done.code, 0, done.stderr);
    assertMatch(done.stdout, /alter table "Users" rename column "firstName" to "givenName";/);
  }
  const reserved = await difference(
    'create table "order" (id int, "user" text);',
    'create table "order" (id int, "group" text);',
    "--rename",
    "order.user=group",
  );
  assertEquals(reserved.code, 0, reserved.stderr);
});

Deno.test("diff: roles that a side names or makes are there, and are no part of the difference", async () => {
  const table = "create role reader_of_t; create table t (id int); grant select on t to ";
  const { code, stdout, stderr } = await difference(
    `${table} reader_of_t;`,
    `${table} reader_of_t, other_reader_of_t;`,
  );
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^grant select on table t to other_reader_of_t;$/m);
  await using folder = await createFolder({
    "1_t.sql": migration(
      "create table t (id int);\ngrant select on t to third_reader_of_t;",
      "drop table t;",
    ),
  });
  await folder.write("schema.sql", "create table t (id int, n int);");
  const migrated = await runDb(["diff", "change", "--stdout"], { folder: folder.path });
  assertEquals(migrated.code, 0, migrated.stderr);
  assertMatch(migrated.stdout, /^revoke .*third_reader_of_t;$/m);
});

Deno.test("diff: a secret of a user mapping is refused by name, what is none is drafted", async () => {
  const server = "create foreign data wrapper w; create server s foreign data wrapper w;";
  const mapping = (options: string) =>
    `${server} create user mapping for public server s options (${options});`;
  const secret = await difference(server, mapping("\"user\" 'me', password 'x'"));
  assertEquals(secret.code, 1);
  assertMatch(secret.stderr, /option password of the user mapping for public .*--hint/);
  assertNotMatch(secret.stdout + secret.stderr, /__OPTION/);
  const plain = await difference(server, mapping("a 'b c'"));
  assertEquals(plain.code, 0, plain.stderr);
  assertMatch(plain.stdout, /options \(a 'b c'\);/);
});

Deno.test("diff: of a draft that is not done nothing is promised", async () => {
  const { code, stdout } = await difference(
    "create table p (a int); create table c (a int) inherits (p);",
    "create table p (a int); create table c () inherits (p);",
  );
  assertEquals(code, 1);
  assertNotMatch(stdout, /^-- (lock|down loses)/m);
});

Deno.test("diff: a text in which dbmate would see a directive is refused by name, and nothing is written", async () => {
  const table = "create table t (a int);";
  const { code, stdout, stderr } = await difference(
    table,
    `${table} comment on table t is 'up\n-- migrate:down\ndown';`,
  );
  assertEquals(code, 1);
  assertMatch(stderr, /dbmate would misread the file: .*\n.*--hint <file>/);
  assertMatch(stdout, /^-- NOT DONE: dbmate would misread/);
});

Deno.test("diff: dbmate's own schema.sql, which pg_dump writes, is a side like another", async () => {
  const dump = `\\restrict abc
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.schema_migrations (version character varying NOT NULL);
CREATE TABLE public.t (id integer);
\\unrestrict abc
INSERT INTO public.schema_migrations (version) VALUES ('1');
`;
  const { code, stderr } = await difference(dump, "create table t (id int);");
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /nothing to do/);
});

Deno.test("diff and check: a copy without data is named with its line, and waits for nothing", async () => {
  const { code, stderr } = await difference(
    "create table t (a int);",
    "select 1;\ncopy t from stdin;",
  );
  assertEquals(code, 1);
  assertMatch(stderr, /after\.sql:2: `copy` waits for data/);
  await using folder = await createFolder({
    "1_copy.sql": migration("create table t (a int);\ncopy t from stdin;", "drop table t;"),
  });
  const checked = await runDb(["check"], { folder: folder.path });
  assertMatch(checked.stderr, /1_copy\.sql:3: `copy` waits for data/);
});

Deno.test("schema: a file that PostgreSQL's grammar refuses is named with its line", async () => {
  await using folder = await createFolder({
    "1_bad.sql": migration("create table t (a int);\ncreate tabel u (a int);", "drop table t;"),
  });
  const { code, stderr } = await runDb(["schema"], { folder: folder.path });
  assertEquals(code, 1);
  assertMatch(stderr, /1_bad\.sql:3: up fails: syntax error/);
  assertNotMatch(stderr, /\n {4}at /);
});

Deno.test("check: a down that takes plpgsql away is a finding, and no stack trace", async () => {
  await using folder = await createFolder({
    "1_gone.sql": migration(
      "create table t (a int);",
      "drop table t;\ndrop extension if exists plpgsql;",
    ),
  });
  const { code, stderr } = await runDb(["check"], { folder: folder.path });
  assertEquals(code, 1);
  assertMatch(stderr, /1_gone\.sql:\d+: .*plpgsql/s);
  assertNotMatch(stderr, /\n {4}at |Uncaught/);
});

Deno.test("check: a column that becomes an identity and starts again at 1 is a finding", async () => {
  await using folder = await createFolder({
    "1_t.sql": migration("create table t (id serial primary key);", "drop table t;"),
    "2_identity.sql": migration(
      "alter table t alter column id drop default;\ndrop sequence t_id_seq;\n" +
        "alter table t alter column id add generated by default as identity;",
      "alter table t alter column id drop identity;\ncreate sequence t_id_seq as integer owned by t.id;\n" +
        "alter table t alter column id set default nextval('t_id_seq');",
    ),
  });
  const { code, stderr } = await runDb(["check"], { folder: folder.path });
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /2_identity\.sql:\d+: after up the next insert into t fails.*\[sequence-behind\]/,
  );
});

Deno.test("diff: a subscription is seen and refused by name, for its connection may hold a password", async () => {
  const subscription = `create subscription su connection 'dbname=x password=geheim'
    publication p with (connect = false);`;
  for (const [before, after] of [["", subscription], [subscription, ""]]) {
    const { code, stderr } = await difference(before!, after!);
    assertEquals(code, 1, stderr);
    assertMatch(stderr, /connection of the subscription "su" may hold a password.*--hint <file>/s);
    assertNotMatch(stderr, /geheim/);
  }
});

Deno.test("diff: a view that would read another column under the same text is refused by name", async () => {
  const schema = (columns: string, read: string) =>
    `create table t (${columns});
    create function all_t() returns setof t language sql stable as 'select * from t';
    create view v as select id${read} from all_t();`;
  // The new column comes last, and a function's columns are told by their place.
  const { code, stderr } = await difference(
    schema("id int, a int", ""),
    schema("id int, b int, a int", ", b"),
  );
  assertEquals(code, 1, stderr);
  assertMatch(
    stderr,
    /after up view public\.v reads public\.t\.a instead of view public\.v reads public\.t\.b/,
  );
});

Deno.test("diff: a partition in which no row of the proof fell is lost by a down that drops it", async () => {
  const partitioned = (...parts: [number, number][]) =>
    "create table p (a int) partition by hash (a);" +
    parts.map(([modulus, remainder]) =>
      `create table p${remainder} partition of p
        for values with (modulus ${modulus}, remainder ${remainder});`
    ).join("");
  const { code, stdout, stderr } = await difference(
    partitioned([2, 0], [2, 1]),
    partitioned([2, 0], [4, 1], [4, 3]),
  );
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^-- down loses table p3$/m);
  assertMatch(
    stdout,
    /^create table p3 partition of p for values with \(modulus 4, remainder 3\);$/m,
  );
});

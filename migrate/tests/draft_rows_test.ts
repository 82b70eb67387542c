import { assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { Statement } from "../../postgres/mod.ts";
import { createDatabase } from "../../tests/support/database.ts";
import { difference } from "./support.ts";

/** The lines of a header: a long one is broken. */
function header(draft: string): string[] {
  return draft.split("\n\n")[0]!.replaceAll(/\n-- (?!up |down |lock: )/g, " ").split("\n")
    .map((line) => line.replace("-- ", ""));
}

function stops(draft: string, part: "up" | "down"): string[] {
  const start = `${part} stops at rows that this finds: `;
  return header(draft).flatMap((line) => line.startsWith(start) ? line.slice(start.length) : []);
}

Deno.test("diff: what a column may be null, or unique, is written with the query for the rows that stop it", async () => {
  const { code, stdout, stderr } = await difference(
    "create table t (id int primary key, name text not null, mail text);",
    "create table t (id int primary key, name text, mail text unique);",
  );
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /Drafted: changes column t\.name, adds constraint t\.t_mail_key\.$/m);
  assertMatch(
    stdout,
    /^-- up stops at rows that this finds: select mail from t where mail is not null group by mail/m,
  );
  assertMatch(
    stdout,
    /^-- down stops at rows that this finds: select \* from t where name is null$/m,
  );
});

Deno.test("diff: each rule that rows may break is written with a query for them that runs before it", async () => {
  const schema = `
    create domain mail as text;
    create table "order" ("end" int, "user" text, e mail, tags text[]);
    create table person (id int primary key, age int, room int, span int4range, best int);
    create table tenant (id int primary key);
    create table task (id int primary key);
    create table old (v int);`;
  const unchecked = "alter table old add constraint old_check check (v > 0) not valid;";
  const draft = await difference(
    schema + unchecked,
    `create domain mail as text not null check (value like '%@%');
    create table "order" ("end" int primary key, "user" text not null check ("user" <> '('), e mail, tags text[]);
    create table people (id int primary key, years bigint not null check (years > 0 and 'age' <> ''), room int,
      span int4range, best int references people (id), constraint apart exclude using gist (span with &&) where (room > 5));
    create unique index people_years on people (years, abs(room)) where id > 3;
    create unique index people_room on people ((room + 1)) nulls not distinct;
    create table tenant (id int primary key);
    create table task (id int, tenant int not null references tenant (id), primary key (tenant, id));
    create table old (v int, constraint old_check check (v > 0));`,
    "--rename",
    "person.age=years",
    "--rename",
    "person=people",
  );
  assertEquals(draft.code, 0, draft.stderr);
  const queries = stops(draft.stdout, "up");
  assertEquals(queries.toSorted(), [
    `select "end" from "order" group by "end" having count(*) > 1 or "end" is null`,
    "select ((room + 1)) from person group by ((room + 1)) having count(*) > 1",
    `select * from "order" where "end" is null`,
    `select * from "order" where "user" is null`,
    `select * from "order" where e is null`,
    `select * from "order" where not ("user" <> '('::text)`,
    `select * from "order" where not (e ~~ '%@%'::text)`,
    "select * from (select *, ctid from person where room > 5) a join (select *, ctid from person where room > 5) b " +
    "on a.ctid < b.ctid and a.span && b.span",
    "select * from old where not (v > 0)",
    "select * from person t where t.best is not null and not exists (select from person r where r.id = t.best)",
    "select * from person where age is null",
    "select * from person where not ((age > 0) and ('age'::text <> ''::text))",
    "select * from task",
    "select age, abs(room) from person where (id > 3) and age is not null group by age, abs(room) having count(*) > 1",
  ]);
  await using database = await createDatabase({ empty: true });
  await database.db.script(schema);
  for (const query of queries) {
    await database.db.query(new Statement([query], []));
  }
});

Deno.test("diff: what a new type or name does to values is said also where other rows stop it", async () => {
  const { code, stdout, stderr } = await difference(
    "create table t (id serial primary key, a numeric, b timestamptz, c int, d text, e boolean, f text, g int);",
    `create table people (id serial primary key, a int, b date, c numeric(12, 2), d int, e int, f varchar(3),
      g int generated always as (id) stored, n text);`,
    "--rename",
    "t=people",
  );
  assertEquals(code, 0, stderr);
  const loses = header(stdout).filter((line) => / loses /.test(line));
  assertEquals(loses, [
    "up loses values of t.a, values of t.b, column t.g, with the place among the columns",
    "down loses values of people.c, column people.n, with the place among the columns",
  ]);
  assertMatch(stdout, /^alter sequence t_id_seq rename to people_id_seq;$/m);
  assertNotMatch(stdout, /drop sequence|setval/);
});

Deno.test("diff: a lower bound of a sequence is written with the query for one that is beyond it", async () => {
  const { code, stdout, stderr } = await difference(
    "create table t (id int generated always as identity (maxvalue 5)); create sequence s maxvalue 7;",
    "create table t (id int generated always as identity); create sequence s;",
  );
  assertEquals(code, 0, stderr);
  // A line of the header is broken where it is long.
  const header = stdout.replaceAll(/\n-- (?!up|down)/g, " ");
  const query = "select last from pg_sequence_last_value";
  for (const [sequence, most] of [["'s'", 7], ["pg_get_serial_sequence('t', 'id')", 5]]) {
    assertStringIncludes(
      header,
      `-- down stops at rows that this finds: ${query}(${sequence}) last where last > ${most}\n`,
    );
  }
  assertNotMatch(stdout, /up stops/);
});

Deno.test("diff: of several migrations each says the rows that stop it", async () => {
  const { code, stdout, stderr } = await difference(
    "create type state as enum ('new'); create table t (s state default 'new', n bigint);",
    "create type state as enum ('new', 'old'); create table t (s state default 'old', n int not null);",
  );
  assertEquals(code, 0, stderr);
  const [first, second] = stdout.split(/^-- file: .*\n/m).slice(1) as [string, string];
  assertEquals(stops(first, "up"), []);
  assertEquals(stops(first, "down"), ["select * from t where s::text not in ('new')"]);
  assertEquals(stops(second, "up"), [
    "select * from t where n is null",
    "select * from t where n not between -2147483648 and 2147483647",
  ]);
  assertEquals(stops(second, "down"), []);
});

import { assertEquals, assertMatch } from "@std/assert";
import { migration } from "../../tests/support/command.ts";
import { createForeign, findings } from "./support.ts";

const create = migration(
  `create table people (id int primary key, age int);
create table visits (at date not null) partition by range (at);
create table visits_old partition of visits for values from ('1900-01-01') to ('2900-01-01');
create table orphans (at date primary key);
create materialized view days as select at from orphans;`,
  "drop materialized view days;\ndrop table orphans, visits, people;",
);

/** A statement on a table that has rows, and what the finding says it is to be done instead. */
const advised: [string, RegExp | undefined][] = [
  ["update people set age = 1;", /in slices/],
  ["alter table people add constraint old check (age > 0);", /add it `not valid`/],
  ["alter table people add constraint young check (age < 150) not valid;", undefined],
  ["alter table people validate constraint young;", /validate it in the next migration/],
  ["alter table people add column code text unique;", /build a unique index concurrently/],
  ["reindex table people;", /rebuild it concurrently/],
  ["refresh materialized view days;", /refresh it `concurrently`/],
  ["alter table people set unlogged;", /choose a quiet hour/],
  ["create index on visits (at);", /create it `on only` the parent/],
  ["truncate orphans;", undefined],
  ["-- safety: allow require-concurrent-reindex: it is small", undefined],
  ["reindex table orphans;", undefined],
];

Deno.test("check: each costly statement is told once, with what helps it; an emptied table is not rewritten; a schema.sql that fails says its line", async () => {
  await using project = await createForeign({
    "1_create.sql": create,
    "2_change.sql": migration(
      `alter table people add column lock int;\n${advised.map(([text]) => text).join("\n")}`,
      "-- nothing",
    ),
  }, { rules: { "empty-down": "off" } });
  await project.write("db/schema.sql", "-- äöü €\n\ncreate table a ();\ncreate table a ();\n");
  const result = await project.run(["check", "--since", "1"]);
  const found = findings(result).filter((line) => line.includes("2_change.sql"));
  const wanted = advised.flatMap(([, advice], i) => advice ? [[i + 3, advice] as const] : []);
  assertEquals(
    found.map((line) => Number(/\.sql:(\d+):/.exec(line)?.[1])),
    wanted.map(([line]) => line),
    result.stderr,
  );
  for (const [i, [, advice]] of wanted.entries()) assertMatch(found[i]!, advice);
  assertMatch(result.stderr, /^db\/schema\.sql:4: cannot be loaded: relation "a" already exists/m);
  assertMatch(result.stderr, /in one migration, one up to the baseline is built, not judged/);
});

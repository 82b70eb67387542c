import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createDatabase } from "../../tests/support/database.ts";
import { migration } from "../../tests/support/command.ts";
import { sql } from "../../postgres/mod.ts";
import { createForeign, findings, named } from "./support.ts";

const create = migration(
  "create table people (id int primary key, name text);",
  "drop table people;",
);
const index = migration(
  "create index people_name_idx on people (name);",
  "drop index people_name_idx;",
);

Deno.test("check: a finding is accepted above its statement, at the head of the file, or in the configuration", async () => {
  const files = { "1_create.sql": create, "2_index.sql": index };
  await using project = await createForeign(files);
  const found = findings(await project.run(["check"]));
  assertEquals(found.length, 1, found.join("\n"));
  assertMatch(
    found[0]!,
    /2_index\.sql:2: reads every row of people .*\[scan-under-lock\]; build it/,
  );
  const reason = "-- safety: allow scan-under-lock: it is small\n";
  for (const text of [index.replace("create index", `${reason}create index`), reason + index]) {
    await project.write("db/migrations/2_index.sql", text);
    const { code, stderr } = await project.run(["check"]);
    assertEquals(code, 0, stderr);
  }
  await project.write("db/migrations/2_index.sql", index);
  await project.write("migrate.config.json", '{ "rules": { "scan-under-lock": "warning" } }');
  const { code, stderr } = await project.run(["check"]);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /^warning: .*\[scan-under-lock\]/m);
});

Deno.test("a configuration with a name, a rule, a level or a profile that there is not says what was meant", async () => {
  await using project = await createForeign({ "1_create.sql": create });
  await project.write(
    "migrate.config.json",
    '{ "baselin": "1", "profile": "stric", "rules": { "empty-dwn": "off", "syntax": "maybe" } }',
  );
  const { code, stderr } = await project.run(["check"]);
  assertEquals(code, 2);
  for (
    const words of [
      'the name "baselin" is unknown: did you mean baseline?',
      'the profile "stric" is unknown: did you mean strict?',
      'the rule "empty-dwn" is unknown: did you mean empty-down?',
      'the rule syntax is "maybe": it must be error, warning or off',
    ]
  ) assertStringIncludes(stderr, words);
});

/** A history that nobody would write today, and that dbmate applies. */
const history = {
  "1_create.sql": migration(
    "set time zone 'Asia/Tokyo';\ncreate table people (id int primary key, name text, born timestamptz);",
    "",
  ),
  "2_seed.sql": migration(
    "insert into people values (1, 'Ada', '1815-12-10 00:00:00');",
    "select 1;",
  ),
  "3_empty.sql": migration("alter table people add column age int not null default 1;", ""),
};

Deno.test("adopt: the history is applied as dbmate applies it and never judged; what comes after it is", async () => {
  await using project = await createForeign(history);
  await Deno.mkdir(`${project.path}/db/migrations/archive`);
  const before = await project.run(["check"]);
  assertEquals(before.code, 1, before.stderr);
  const since = await project.run(["check", "--since", "3"]);
  assertEquals(since.code, 0, since.stderr);

  const adopted = await project.run(["adopt"]);
  assertEquals([adopted.code, adopted.stdout], [0, "migrate.config.json\n"], adopted.stderr);
  assertEquals(JSON.parse(await project.read("migrate.config.json")), {
    baseline: "3",
    ignore: ["archive"],
  });
  const after = await project.run(["check"]);
  assertEquals([after.code, findings(after)], [0, []], after.stderr);

  await using alone = await createDatabase({ empty: true });
  await using database = await createDatabase({ empty: true });
  assertEquals((await project.dbmate(["migrate"], alone.settings)).code, 0);
  const up = await project.run(["up"], named(database.settings));
  assertEquals([up.code, up.stdout.match(/^applied /gm)?.length], [0, 3], up.stderr);
  assertMatch(up.stderr, /accepted: .*1_create\.sql:2: .*\[session-setting\]/);
  const born = sql`select (born at time zone 'utc')::text as born from people`;
  assertEquals(await database.db.query(born), await alone.db.query(born));

  await project.write(
    "db/migrations/4_shorten.sql",
    migration("alter table people alter column name type varchar(3) using name::varchar(3);"),
  );
  const judged = findings(await project.run(["check"]));
  assertEquals(judged.every((line) => line.includes("4_shorten.sql")), true, judged.join("\n"));
  assertMatch(judged.join("\n"), /\[up-loses\]/);
  assertMatch(judged.join("\n"), /\[rewrite\]/);
});

Deno.test("check: one fault hides no other, a proof that stops says from where on nothing is proven", async () => {
  await using project = await createForeign({
    "1_create.sql": create,
    "2_leave.sql": migration("create table a (b int);\ncommit;", "select 1;"),
    "3_down_fails.sql": migration("create table c (d int);", "drop table nowhere;"),
    "4_up_fails.sql": migration("create table people (id int);", "drop table people;"),
    "5_more.sql": migration("create table e (f int);", "drop table e;"),
    "6_newest.sql": migration("create table g (h int);", "drop table elsewhere;"),
  });
  const stopped = findings(await project.run(["check"])).join("\n");
  assertMatch(stopped, /2_leave\.sql:3: .*\[transaction-control\]/);
  assertMatch(stopped, /2_leave\.sql:\d+: .*\[(down-leaves|up-again-fails)\]/);
  assertMatch(stopped, /3_down_fails\.sql:5: .*\[down-fails\]/);
  assertMatch(
    stopped,
    /4_up_fails\.sql:2: .*\[up-fails\]; .*nothing after it is proven, 2 migrations/,
  );
  await Deno.remove(`${project.path}/db/migrations/4_up_fails.sql`);
  const whole = findings(await project.run(["check"])).join("\n");
  assertMatch(whole, /6_newest\.sql:5: .*\[down-fails\]/);
});

Deno.test("check: dbmate's own schema.sql is compared by what it builds, and a fault in it has a line", async () => {
  await using project = await createForeign({ "1_create.sql": create });
  const dump = (column: string) =>
    `\\restrict abc\n-- äöü\nSET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.people (
    id integer NOT NULL,
    name ${column}
);
CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);
\\unrestrict abc
INSERT INTO public.schema_migrations (version) VALUES
    ('1');
`;
  await project.write("db/schema.sql", dump("text"));
  const equal = await project.run(["check"]);
  assertEquals([equal.code, findings(equal)], [0, []], equal.stderr);
  await project.write("db/schema.sql", dump("varchar(9)"));
  const other = await project.run(["check"]);
  assertMatch(
    other.stderr,
    /db\/schema\.sql: is not what the migrations build \[schema-file\]; .*\n.*column public\.people\.name/,
  );
  await project.write("db/schema.sql", dump("nonsense"));
  const broken = await project.run(["check"]);
  assertMatch(broken.stderr, /db\/schema\.sql:7: cannot be loaded: type "nonsense" does not exist/);
});

Deno.test("check --since: what comes after it is judged and nothing before, whatever the baseline is", async () => {
  const reason = "-- safety: allow scan-under-lock: it is small\n";
  await using project = await createForeign({
    "1_create.sql": create,
    "2_index.sql": reason + index,
    "3_empty.sql": migration("alter table people add column age int;", ""),
    "4_empty.sql": migration("alter table people add column born date;", ""),
  }, { baseline: "4" });
  for (const [version, left] of [["4", []], ["3", ["4"]], ["1", ["3", "4"]]] as const) {
    const result = await project.run(["check", "--since", version]);
    const files = findings(result).map((line) => /(\d)_\w+\.sql:.*\[empty-down\]/.exec(line)?.[1]);
    assertEquals(files, [...left], result.stdout + result.stderr);
  }
});

Deno.test("several folders, another table for the versions and .env work as they do for dbmate", async () => {
  await using database = await createDatabase({ empty: true });
  await using project = await createForeign({ "2_index.sql": index });
  await Deno.mkdir(`${project.path}/shared`);
  await project.write("shared/1_create.sql", create);
  await project.write(
    ".env",
    "DBMATE_MIGRATIONS_DIR=shared,./db/migrations\nDBMATE_MIGRATIONS_TABLE=meta.versions\n" +
      `DATABASE_URL=${named(database.settings).DATABASE_URL}\n`,
  );
  const up = await project.run(["up"]);
  assertEquals([up.code, up.stdout.match(/^applied (\S+)/gm)], [
    0,
    ["applied 1_create.sql", "applied 2_index.sql"],
  ], up.stderr);
  const rows = await database.db.query(sql`select version from meta.versions order by 1`);
  assertEquals(rows, [{ version: "1" }, { version: "2" }]);
  assertEquals((await project.run(["status", "--pending"])).code, 0);
  const drift = await project.run(["drift"]);
  assertEquals(drift.code, 0, drift.stdout + drift.stderr);
  assertEquals((await project.run(["check", "--since", "2"])).code, 0);
  const schema = await project.run(["schema"], { DBMATE_SCHEMA_FILE: "out/of/it/schema.sql" });
  assertEquals(schema.stdout, "out/of/it/schema.sql\n", schema.stderr);
  const squashed = await project.run(["squash", "head"]);
  assertEquals(squashed.stdout, "db/migrations/2_baseline.sql\n", squashed.stderr);
  assertMatch((await project.run(["status"])).stdout, /^applied {2}2_baseline .*\n$/);
  const made = await project.run(["new", "add_more"]);
  assertMatch(made.stdout, /^shared\/\d+_add_more\.sql\n$/);
});

Deno.test("check: an extension, a schema or a role that a scratch server lacks has a way out", async () => {
  await using project = await createForeign({
    "1_extend.sql": migration("create extension guard_nowhere;", "drop extension guard_nowhere;"),
  });
  const lacking = await project.run(["check"], { SCRATCH_DATABASE_URL: "" });
  assertMatch(
    lacking.stderr,
    /1_extend\.sql:2: .*"guard_nowhere" is not available.*; SCRATCH_DATABASE_URL names a server/,
  );
  assertMatch(lacking.stderr, /accepted by `.* adopt`/);
  await using other = await createDatabase({ empty: true });
  const { DATABASE_URL: url } = named(other.settings);
  assertMatch(
    (await project.run(["up"], { DATABASE_URL: url! })).stderr,
    /is not available \(0A000\); install the extension on that server and run this again/,
  );
  await project.write(
    "db/migrations/1_extend.sql",
    migration("create table a (b int);\ncreate index on a using guard_nowhere (b);"),
  );
  const there = await project.run(["check"], { SCRATCH_DATABASE_URL: url! });
  assertMatch(
    there.stderr,
    /access method "guard_nowhere" does not exist; the server of SCRATCH_DATABASE_URL lacks it: install it/,
  );
  await Deno.remove(`${project.path}/db/migrations/1_extend.sql`);
  await project.write(
    "db/migrations/1_create.sql",
    migration("create table app.a (b int);", "drop table app.a;"),
  );
  const without = await project.run(["check"]);
  assertMatch(without.stderr, /schema "app" does not exist; .*`prepare` in the configuration/);
  await project.write("before.sql", "create schema app;");
  await project.write("migrate.config.json", '{ "prepare": "before.sql" }');
  const prepared = await project.run(["check"]);
  assertEquals(prepared.code, 0, prepared.stderr);
});

Deno.test("check: a draft or a new file whose reason nobody has written does not pass", async () => {
  await using project = await createForeign({
    "1_create.sql": `-- Why: say it here. Drafted: a table.\n${create}`,
  });
  const found = findings(await project.run(["check"]));
  assertEquals(found.length, 1, found.join("\n"));
  assertMatch(found[0]!, /1_create\.sql:1: nobody has written down why \[unwritten\]/);
});

Deno.test("an indented directive is told once, to be written as what it is (H9)", async () => {
  await using project = await createForeign({
    "1_create.sql": create.replace("-- migrate:down", "  -- migrate:down"),
  });
  const { stderr } = await project.run(["check"]);
  assertMatch(
    stderr,
    /1_create\.sql:4: dbmate does not see this directive \[directive\]; .*: -- migrate:down/,
  );
  assertEquals(stderr.match(/directive|down block/g)?.length, 2, stderr);
});

Deno.test("check: from a file on of which dbmate applies nothing, nothing is proven, and that is said", async () => {
  await using project = await createForeign({
    "1_create.sql": create,
    "2_plain.sql": "create table plain (b int);",
    "3_again.sql": create,
  });
  const { code, stderr } = await project.run(["check"]);
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^note: nothing from db\/migrations\/2_plain\.sql on is proven, one file after it/,
  );
  assertMatch(stderr, /2_plain\.sql: has no up block \[missing-up\]/);
  assertMatch(stderr, /^one finding in one migration/m);
});

Deno.test("check: a mistake in the grammar is said once, and how much it leaves unproven", async () => {
  await using project = await createForeign({
    "1_create.sql": create.replace("name text", "name text text"),
    "2_more.sql": create.replaceAll("people", "cats"),
  });
  const result = await project.run(["check"]);
  assertEquals(findings(result).length, 1, result.stderr);
  assertMatch(result.stderr, /1_create\.sql:2: syntax error at or near "text" \[syntax\]/);
  assertMatch(
    result.stderr,
    /^note: .*1_create\.sql does not run: nothing after it is proven, one migration/m,
  );
});

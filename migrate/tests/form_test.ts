import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { checkForm } from "../files/form.ts";
import { GrammarError, parseBlock } from "../files/grammar.ts";
import { readApplied } from "../apply/ledger.ts";
import { parse } from "../files/migrations.ts";
import { migration } from "../../tests/support/command.ts";
import { createProject, type Project } from "../../tests/support/project.ts";

async function refuses(project: Project, place: string, words: string) {
  const { code, stderr } = await project.run("up");
  assertEquals(code, 1, stderr);
  assertStringIncludes(stderr, `${project.dir}/${place}: `);
  assertStringIncludes(stderr, words);
  assertEquals(await readApplied(project.db), []);
}

/** What the form of a migration is blamed for, without a database. */
async function findings(text: string) {
  const { migration } = parse("001_a.sql", new TextEncoder().encode(text));
  return await checkForm(migration!);
}

async function tables({ db }: Project): Promise<string[]> {
  const rows = await db.query<{ relname: string }>(sql`
    select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
      and relname not in ('schema_migrations', 'migration_ledger') order by 1
  `);
  return rows.map(({ relname }) => relname);
}

Deno.test("H12: a commit inside a block makes dbmate leave half of it; up refuses it", async () => {
  const text = migration("create table a ();\ncommit;\nselect 1 / 0;");
  await using alone = await createProject({ "001_a.sql": text });
  assertEquals((await alone.dbmate("migrate")).code, 2);
  assertEquals([await tables(alone), await readApplied(alone.db)], [["a"], []]);

  await using project = await createProject({ "001_a.sql": text });
  await refuses(project, "001_a.sql:3", "`commit` inside a block");
  assertEquals(await tables(project), []);
});

Deno.test("H12: begin, rollback and prepare are refused too; savepoints and plpgsql's begin are not", async () => {
  for (const statement of ["begin", "rollback", "prepare transaction 'x'", "start transaction"]) {
    const [found] = await findings(migration(`${statement};`));
    assertEquals(found!.line, 2);
    assertStringIncludes(found!.message, `\`${statement.replace(/ '.*/, "")}\``);
  }
  await using project = await createProject({
    "001_a.sql": migration("savepoint s;\nrollback to s;\ndo $$ begin perform 1; end $$;"),
  });
  assertEquals((await project.run("up")).code, 0);
});

Deno.test("H13: a session's time zone makes dbmate shift the times in the next file; up refuses it", async () => {
  const files = {
    "001_a.sql": migration(
      "create table a (at timestamp);\ninsert into a values ('2026-01-01');\nset time zone 'Asia/Tokyo';",
    ),
    "002_b.sql": migration("alter table a alter column at type timestamptz;"),
  };
  await using alone = await createProject(files);
  assertEquals((await alone.dbmate("migrate")).code, 0);
  const [row] = await alone.db.query<{ at: string }>(
    sql`select (at at time zone 'utc')::text as at from a`,
  );
  assertEquals(row!.at, "2025-12-31 15:00:00");

  await using project = await createProject(files);
  await refuses(project, "001_a.sql:4", "`set time zone 'Asia/Tokyo'` lasts for the session");
});

Deno.test("H13: set role, reset, set_config and temporary tables leak as well; their local forms do not", async () => {
  for (
    const statement of [
      "set role none;",
      "reset all;",
      "set session characteristics as transaction read only;",
      "select pg_catalog.set_config('search_path', '', false);",
      "create temporary table t ();",
      "create temp table t as select 1;",
      "select 1 as one into temporary t;",
      "create temporary sequence t;",
    ]
  ) {
    assertEquals((await findings(migration(statement))).map(({ line }) => line), [2], statement);
  }
  await using project = await createProject({
    "001_a.sql": migration(`
      set transaction isolation level serializable;
      set local search_path = public;
      select set_config('search_path', 'public', true);
      create temp table t () on commit drop;
      select set_config('search_path', 'pg_catalog', false);
      reset search_path;
      select 1 as one into temporary u;
      drop table pg_temp.u;
      create temporary sequence v;
      discard temp;
    `),
  });
  const { code, stderr } = await project.run("up");
  assertEquals(code, 0, stderr);
});

Deno.test("H14: dbmate fails half-way on two statements outside a transaction; up names the second", async () => {
  const files = {
    "001_a.sql": migration("create table a (b int);"),
    "002_b.sql": migration(
      "create index concurrently b on a (b);\nselect 1;",
      "drop index b;",
      " transaction:false",
    ),
  };
  await using alone = await createProject(files);
  assertEquals((await alone.dbmate("migrate")).code, 2);
  assertEquals(await readApplied(alone.db), ["001"]);

  await using project = await createProject(files);
  await refuses(project, "002_b.sql:3", "a second statement under transaction:false");
});

Deno.test("H14: dbmate fails half-way on concurrently inside a transaction; up names it", async () => {
  const files = {
    "001_a.sql": migration("create table a (b int);"),
    "002_b.sql": migration("\n\ncreate index concurrently b on a (b);", "drop index b;"),
  };
  await using alone = await createProject(files);
  assertEquals((await alone.dbmate("migrate")).code, 2);
  assertEquals(await readApplied(alone.db), ["001"]);

  await using project = await createProject(files);
  await refuses(project, "002_b.sql:4", "cannot run inside a transaction");
});

Deno.test("H14: `concurrently if not exists` makes dbmate record success over an invalid index; up refuses it", async () => {
  const files = {
    "001_a.sql": migration("create table a (b int);\ninsert into a values (1), (1);"),
    "002_b.sql": migration(
      "create unique index concurrently if not exists a_b on a (b);",
      "drop index a_b;",
      " transaction:false",
    ),
  };
  await using alone = await createProject(files);
  assertEquals((await alone.dbmate("migrate")).code, 2);
  assertEquals((await alone.dbmate("migrate")).code, 0);
  const [index] = await alone.db.query<{ indisvalid: boolean }>(
    sql`select indisvalid from pg_index where indexrelid = 'a_b'::regclass`,
  );
  assertEquals([index!.indisvalid, await readApplied(alone.db)], [false, ["001", "002"]]);

  await using project = await createProject(files);
  await refuses(project, "002_b.sql:2", "passes over an invalid index");
});

Deno.test("H15: dbmate calls an empty down rolled back; up and down refuse it", async () => {
  const text = migration("create table a ();", "-- nothing yet");
  await using alone = await createProject({ "001_a.sql": text });
  await alone.dbmate("migrate");
  assertEquals((await alone.dbmate("rollback")).code, 0);
  assertEquals([await tables(alone), await readApplied(alone.db)], [["a"], []]);

  await using project = await createProject({ "001_a.sql": text });
  await refuses(project, "001_a.sql:4", "the down block has no statement");
  await project.dbmate("migrate");
  const { code, stderr } = await project.run("down");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "001_a.sql:4: the down block has no statement");
  // The file was applied: it is not to be written now.
  const [, advised] = /turn the rule off in (migrate\.config\.json: `.*`)$/m.exec(stderr) ?? [];
  assertEquals(advised, 'migrate.config.json: `{"rules": {"empty-down": "off"}}`');
  assertEquals(await readApplied(project.db), ["001"]);

  const meant = text.replace("-- nothing yet", "-- safety: allow empty-down: a comment stays");
  await using accepted = await createProject({ "001_a.sql": meant });
  await accepted.dbmate("migrate");
  const down = await accepted.run("down");
  assertEquals(down.code, 0, down.stderr);
  assertEquals(await readApplied(accepted.db), []);
});

Deno.test("an irreversible migration says why, has to raise in its down, and is not reverted", async () => {
  const irreversible = (down: string) =>
    `-- irreversible: the rows are gone\n${migration("select 1;", down)}`;
  await using quiet = await createProject({ "001_a.sql": irreversible("select 1;") });
  await refuses(quiet, "001_a.sql:5", "its down runs all the same");

  await using project = await createProject({
    "001_a.sql": irreversible("do $$ begin raise exception 'irreversible'; end $$;"),
  });
  assertEquals((await project.run("up")).code, 0);
  const { code, stderr } = await project.run("down");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "cannot be reverted: the rows are gone");
});

Deno.test("what PostgreSQL's grammar refuses is named with its line before the files ahead of it run", async () => {
  await using project = await createProject({
    "001_a.sql": migration("create table a ();"),
    "002_b.sql": migration("create table bé (\n  c int\n  d int\n);"),
  });
  await refuses(project, "002_b.sql:4", 'syntax error at or near "d"');
  await using psql = await createProject({ "001_a.sql": migration("\\connect slate") });
  await refuses(psql, "001_a.sql:2", "psql's backslash commands");
});

Deno.test("30,000 statements are checked, each with its line, and one nested too deeply is named", async () => {
  const rows = "insert into a values (1);\n".repeat(30_000);
  const block = { text: `-- migrate:up\n/* é */ select 1;\n${rows}`, line: 5 };
  const statements = await parseBlock(block);
  assertEquals([statements.length, statements.at(1)!.line, statements.at(-1)!.line], [
    30_001,
    7,
    30_006,
  ]);
  const deep = { text: `select ${"1+".repeat(100_000)}1;`, line: 3 };
  const error = await assertRejects(() => parseBlock(deep), GrammarError);
  assertEquals([error.line, error.message.includes("nested too deeply")], [3, true]);
  assertEquals((await parseBlock(block)).length, 30_001);
});

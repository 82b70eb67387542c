import { assertEquals, assertStringIncludes } from "@std/assert";
import { readApplied } from "../apply/ledger.ts";
import { sql } from "../../postgres/mod.ts";
import { join } from "node:path";
import { migration, runDb } from "../../tests/support/command.ts";
import {
  createProject,
  type Project,
  untilFound,
  waitForGate,
} from "../../tests/support/project.ts";

const table = (name: string) => migration(`create table ${name} ();`, `drop table ${name};`);
const files = {
  "20260101_create_a.sql": table("a"),
  "20260102_create_b.sql": table("b"),
  "20260103_create_c.sql": table("c"),
  "20260104_create_d.sql": table("d"),
};
const [a, b, c, d] = Object.keys(files).map((file) => file.slice(0, 8));

Deno.test("up and down take a version, a part of one, a name, a number of steps, head and base", async () => {
  await using project = await createProject(files);
  for (
    const [args, left] of [
      [["up", "+1"], [a]],
      [["up", "create_b"], [a, b]],
      [["up", "20260103_create_c.sql"], [a, b, c]],
      [["up", "head"], [a, b, c, d]],
      [["down"], [a, b, c]],
      [["down", "-2"], [a]],
      [["up"], [a, b, c, d]],
      [["down", "-n", "1"], [a, b, c]],
      [["down", "20260102"], [a, b]],
      [["down", "base"], []],
    ] as const
  ) {
    const { code, stderr } = await project.run(...args);
    assertEquals([code, await readApplied(project.db)], [0, left], `${args}: ${stderr}`);
  }
  const ambiguous = await project.run("up", "2026010");
  assertEquals(ambiguous.code, 2);
  assertStringIncludes(ambiguous.stderr, "can mean several migrations");
});

Deno.test("a step back where nothing is applied fails, as dbmate's; a target that is reached already does not", async () => {
  await using project = await createProject(files);
  for (const step of [["down"], ["down", "-2"], ["down", "--sql"], ["redo"]]) {
    const { code, stderr } = await project.run(...step);
    assertEquals([code, stderr], [1, "nothing is applied that could be reverted\n"], `${step}`);
  }
  assertEquals((await project.dbmate("rollback")).code, 2, "what dbmate says of any failure");
  assertEquals((await project.run("down", "base")).code, 0);
  await project.run("up", "+1");
  assertEquals((await project.run("down", a!)).code, 0);
  assertEquals(await readApplied(project.db), [a]);
});

Deno.test("redo reverts by what was recorded, says what that loses, and applies what the file says now", async () => {
  await using project = await createProject(files);
  await project.run("up");
  await project.write(
    "20260104_create_d.sql",
    `-- Why: a better name\n-- down loses every e\n-- and its name\n-- lock: none\n${table("e")}`,
  );
  assertStringIncludes((await project.run("up")).stderr, "`deno task db redo` reverts it");
  const { code, stderr } = await project.run("redo");
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "_create_d.sql: down loses every e and its name\n");
  const [found] = await project.db.query(
    sql`select to_regclass('d') is null as gone, to_regclass('e') is not null as there`,
  );
  assertEquals(found, { gone: true, there: true });
  assertEquals((await project.run("status")).code, 0);
});

Deno.test("up --sql prints a script that does the same by any client, of what is pending or from a version on", async () => {
  await using project = await createProject({
    ...files,
    "20260105_index.sql": migration(
      "create index concurrently d_idx on d ((1))",
      "drop index concurrently d_idx; -- the last",
      " transaction:false",
    ),
  });
  await project.run("up", "+2");
  const { code, stdout } = await project.run("up", "--sql");
  assertEquals([code, stdout.includes("create table b"), stdout.includes("create table c")], [
    0,
    false,
    true,
  ]);
  assertEquals(await readApplied(project.db), [a, b]);
  // One statement of it cannot share a transaction, so it goes as a client would send it.
  const [inside, outside] = stdout.split("-- up: 20260105_index.sql");
  await project.db.script(inside!);
  for (const statement of outside!.split(";").filter((part) => part.trim())) {
    await project.db.script(statement);
  }
  assertEquals(await readApplied(project.db), [a, b, c, d, "20260105"]);
  assertEquals((await project.run("status")).code, 0);

  const offline = await project.runAt(
    { ...project.settings, host: "db.invalid" },
    ...["up", "--sql", "--from", "base"],
  );
  assertEquals([offline.code, offline.stdout.match(/^-- up: /gm)?.length], [0, 5]);
  const down = await project.run("down", "--sql", "-2");
  assertStringIncludes(
    down.stdout,
    "-- down: 20260105_index.sql\ndrop index concurrently d_idx; -- the last\n;",
  );
  assertStringIncludes(
    down.stdout,
    "delete from schema_migrations where version = '20260104';\ncommit;",
  );
  assertEquals((await readApplied(project.db)).length, 5);
});

Deno.test("a script makes the schema of dbmate's table, and works in the search_path of its URL, as up and down do", async () => {
  const file = { "20260101_create_a.sql": table("a") };
  for (
    const [searchPath, versions, made] of [
      // A schema or a table may have the name of a word of SQL.
      ["user, public", "schema_migrations", ["user.a", "user.schema_migrations"]],
      [undefined, "meta.versions", ["meta.versions", "public.a"]],
      [undefined, "order", ["public.a", "public.order"]],
    ] as const
  ) {
    await using byUp = await createProject(file);
    await using byScript = await createProject(file);
    const run = async (project: Project, ...args: string[]) => {
      const settings = { ...project.settings, searchPath };
      const env = { DBMATE_MIGRATIONS_TABLE: versions };
      const outcome = await runDb(args, { settings, folder: join(project.dir, ".."), env });
      assertEquals(outcome.code, 0, outcome.stderr);
      return outcome.stdout;
    };
    const tables = async ({ db }: Project) =>
      (await db.query<{ name: string }>(sql`
        select schemaname || '.' || tablename as name from pg_tables
        where schemaname in ('public', 'user', 'meta') and tablename <> 'migration_ledger'
        order by 1`)).map(({ name }) => name);
    await run(byUp, "up");
    await byScript.db.script(await run(byScript, "up", "--sql"));
    assertEquals([await tables(byUp), await tables(byScript)], [made, made]);
    await run(byUp, "down");
    await byScript.db.script(await run(byScript, "down", "--sql"));
    const left = made.filter((name) => !name.endsWith(".a"));
    assertEquals([await tables(byUp), await tables(byScript)], [left, left]);
  }
});

Deno.test("the ledger of a table in a schema of its own stays in sight where a migration makes the first of the search_path", async () => {
  await using project = await createProject({
    "001_tenant.sql": migration("create schema tenant;", "drop schema tenant;"),
    "002_a.sql": table("a"),
  });
  const settings = { ...project.settings, searchPath: "tenant, public" };
  const env = { DBMATE_MIGRATIONS_TABLE: "meta.versions" };
  const commands = [["up", "001"], ["drift"], ["up"], ["status"], ["drift"]];
  for (const args of [...commands, ["down", "base"], ["drift"], ["up"]]) {
    const { code, stdout, stderr } = await runDb(args, {
      settings,
      folder: join(project.dir, ".."),
      env,
    });
    assertEquals(code, 0, stderr);
    if (args[0] === "status") assertEquals(/dbmate itself|pending/.test(stdout), false, stdout);
  }
  const ledgers = await project.db.query(sql`
    select schemaname as schema from pg_tables where tablename = 'migration_ledger'`);
  assertEquals(ledgers, [{ schema: "public" }]);
});

Deno.test("a migration that PostgreSQL refuses is named with its line, and what came before it stays applied", async () => {
  await using project = await createProject({
    "001_a.sql": table("a"),
    "002_b.sql": migration("create table b (\n  c int,\n  d no_such_type\n);"),
  });
  const { code, stdout, stderr } = await project.run("up");
  assertEquals(code, 1);
  assertStringIncludes(stdout, "applied 001_a.sql");
  assertStringIncludes(stderr, '002_b.sql:4: type "no_such_type" does not exist (42704)');
  assertStringIncludes(stderr, "nothing of it is left");
  assertEquals(await readApplied(project.db), ["001"]);
});

Deno.test("check and up name the same line of a migration that PostgreSQL refuses", async () => {
  const outside = " transaction:false";
  for (
    const [text, line] of [
      // PostgreSQL says where.
      [migration("create table b (\n  c int,\n  d no_such_type\n);"), 4],
      [migration("-- why\n\ncreate index concurrently b\n  on c\n  (d);", "select 1;", outside), 4],
      [migration("-- why\n\nselect 1,\n  no_such_function();", "select 1;", outside), 5],
      // It does not.
      [migration("-- why\n\ndrop index concurrently\n  b;", "select 1;", outside), 4],
    ] as const
  ) {
    await using project = await createProject({ "001_a.sql": text });
    for (const command of ["up", "check"]) {
      const { stderr } = await project.run(command);
      assertEquals(/001_a\.sql:(\d+): .*does not exist/.exec(stderr)?.[1], `${line}`, stderr);
    }
  }
});

Deno.test("a file that changes while up runs is applied as it was checked", async () => {
  await using project = await createProject({
    "001_a.sql": migration(`create table a ();\n${waitForGate}`, "drop table a;"),
    "002_b.sql": table("b"),
  });
  await project.db.script("create table gate ()");
  const up = project.start("up");
  await untilFound(() =>
    project.db.query(sql`
      select from pg_stat_activity where query like '%from gate%' and pid <> pg_backend_pid()
        and datname = current_database()
    `)
  );
  await project.write("002_b.sql", "-- migrate:up\ncommit; drop table a;\n-- migrate:down\n");
  await project.db.script("insert into gate default values");
  assertEquals((await up.output()).code, 0);
  assertEquals(await readApplied(project.db), ["001", "002"]);
  assertEquals((await project.run("show", "002", "--applied")).stdout, table("b"));
});

Deno.test("show measures the locks that a migration takes on the tables before it", async () => {
  await using project = await createProject({
    "001_a.sql": migration("create table a (b int);", "drop table a;"),
    "002_b.sql": migration(
      "alter table a add column c int;\nalter table a alter column b type bigint;",
      "select 1;",
    ),
  });
  const { code, stdout } = await project.run("show", "002");
  assertEquals(code, 0);
  assertStringIncludes(stdout, "002_b.sql: pending\nlock: access exclusive on a, line 2\n");
  assertStringIncludes(stdout, "lock: access exclusive on a, line 3, which writes it anew\n");
});

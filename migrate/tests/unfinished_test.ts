import { assertEquals, assertStringIncludes } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { dbmateBinary, dbmateCommand } from "../apply/dbmate.ts";
import { readApplied } from "../apply/ledger.ts";
import { dbCommand, migration, outcome } from "../../tests/support/command.ts";
import {
  createProject,
  type Project,
  untilFound,
  waitForGate,
} from "../../tests/support/project.ts";
import { connectPatiently } from "../../tests/support/database.ts";

const outside = " transaction:false";
const table = migration("create table a (b int);", "drop table a;");
const insert = migration("insert into a values (1);", "delete from a;", outside);
const index = migration(
  "create unique index concurrently a_b on a (b);",
  "drop index concurrently a_b;",
  outside,
);

/** A session of its own, for a transaction that stays open. */
function hold(project: Project) {
  const db = connectPatiently(project.settings, { session: true });
  return { script: db.script, [Symbol.asyncDispose]: () => db.close() };
}

function waiting(project: Project, query: string) {
  return untilFound(() =>
    project.db.query(sql`
      select from pg_stat_activity where wait_event_type = 'Lock' and query ilike ${`%${query}%`}
        and datname = current_database() and pid <> pg_backend_pid()
    `)
  );
}

/** Starts up with a dbmate that can be killed from here, without anybody else noticing. */
async function startKillable(project: Project, ...args: string[]) {
  const pidFile = `${project.dir}.pid`;
  const wrapper = `${project.dir}.sh`;
  await Deno.writeTextFile(
    wrapper,
    `#!/bin/sh\necho $$ > '${pidFile}'\nexec '${await dbmateBinary()}' "$@"\n`,
    { mode: 0o755 },
  );
  const child = dbCommand(args, {
    settings: project.settings,
    env: { DBMATE_MIGRATIONS_DIR: project.dir, DBMATE_BIN: wrapper },
  }).spawn();
  return {
    child,
    kill: async (signal: Deno.Signal) =>
      Deno.kill(Number(await Deno.readTextFile(pidFile)), signal),
  };
}

async function count({ db }: Project): Promise<number> {
  return (await db.query(sql`select from a`)).length;
}

Deno.test("H2: a killed dbmate leaves its session and its locks at the server, on which the next one fails", async () => {
  await using project = await createProject({
    "001_a.sql": migration("create table a ();\nselect pg_sleep(600);", "drop table a;"),
  });
  const command = await dbmateCommand(project.settings, ["migrate"], {
    env: { DBMATE_MIGRATIONS_DIR: project.dir, PGOPTIONS: "-c lock_timeout=500ms" },
    stdout: "piped",
    stderr: "piped",
  });
  const dbmate = command.spawn();
  await untilFound(() => asleep(project));
  dbmate.kill("SIGKILL");
  assertEquals((await dbmate.output()).signal, "SIGKILL");
  const next = outcome(await command.output());
  assertEquals(next.code, 2);
  assertStringIncludes(next.stderr, "canceling statement due to lock timeout");
  assertEquals((await asleep(project)).length, 1);
});

/** The statements that sleep in the project's database. */
function asleep({ db }: Project): Promise<unknown[]> {
  return db.query(sql`
    select from pg_stat_activity where query ilike '%pg_sleep(600)%' and state = 'active'
      and datname = current_database() and pid <> pg_backend_pid()
  `);
}

Deno.test("H2: dbmate killed inside a transaction: up ends with 137, nothing is left, and the next up does it", async () => {
  await using project = await createProject({
    "001_a.sql": migration("create table a ();\nselect pg_sleep(600);", "drop table a;"),
  });
  const { child, kill } = await startKillable(project, "up");
  await untilFound(() => engines(project));
  await kill("SIGKILL");
  const { code, stderr } = outcome(await child.output());
  assertEquals(code, 137);
  assertStringIncludes(stderr, "dbmate was killed by SIGKILL");
  assertStringIncludes(stderr, "its transaction was rolled back");
  assertEquals([await engines(project), await readApplied(project.db)], [[], []]);
  await project.write("001_a.sql", table);
  assertEquals((await project.run("up")).code, 0);
});

/** The statements that a dbmate's session is at. */
function engines({ db }: Project): Promise<unknown[]> {
  return db.query(sql`
    select from pg_stat_activity where starts_with(application_name, 'migrate engine')
      and datname = current_database() and query ilike '%pg_sleep%'
  `);
}

Deno.test("H3: a killed dbmate leaves its statement running at the server; a SIGTERM to up stops dbmate and the statement", async () => {
  const files = {
    "001_a.sql": migration("create table a ();\nselect pg_sleep(600);", "drop table a;"),
  };
  await using alone = await createProject(files);
  const dbmate = (await dbmateCommand(alone.settings, ["migrate"], {
    env: { DBMATE_MIGRATIONS_DIR: alone.dir },
    stdout: "null",
    stderr: "null",
  })).spawn();
  await untilFound(() => asleep(alone));
  dbmate.kill("SIGTERM");
  await dbmate.status;
  assertEquals((await asleep(alone)).length, 1);

  for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
    await using project = await createProject(files);
    const up = project.start("up");
    await untilFound(() => engines(project));
    up.kill(signal);
    const result = outcome(await up.output());
    assertEquals(result.code, code);
    assertStringIncludes(result.stderr, "interrupted at ");
    assertEquals([await engines(project), await readApplied(project.db)], [[], []]);
  }
});

Deno.test("H16: of a failed concurrent build dbmate leaves an invalid index and says nothing; up names it, and so does the next one", async () => {
  const files = {
    "001_a.sql": migration(
      "create table a (b int);\ninsert into a values (1), (1);",
      "drop table a;",
    ),
    "002_index.sql": index,
  };
  await using alone = await createProject(files);
  const dbmate = await alone.dbmate("migrate");
  assertEquals([dbmate.code, dbmate.stderr.includes("invalid")], [2, false]);

  await using project = await createProject(files);
  const first = await project.run("up");
  assertEquals(first.code, 1);
  assertStringIncludes(first.stderr, "002_index.sql:2: could not create unique index");
  assertStringIncludes(first.stderr, "it left the invalid index a_b");
  const second = await project.run("up");
  assertEquals(second.code, 1);
  assertStringIncludes(
    second.stderr,
    "002_index.sql:2: an earlier failure left the invalid index a_b on a",
  );
  assertStringIncludes(second.stderr, "drop index concurrently public.a_b");
  const status = await project.run("status");
  assertEquals(status.code, 1);
  assertStringIncludes(status.stderr, "a_b on a is an invalid index");

  await project.db.script("delete from a");
  await project.db.script("drop index concurrently public.a_b");
  assertEquals((await project.run("up")).code, 0);
});

Deno.test("H20: work that a killed dbmate did and did not record is done again by the next one; up says that it is open", async () => {
  const files = { "001_a.sql": table, "002_rows.sql": insert };
  await using alone = await createProject(files);
  await alone.dbmate("migrate");
  // As after a kill between the work and its record.
  await alone.db.script("delete from schema_migrations where version = '002'");
  assertEquals((await alone.dbmate("migrate")).code, 0);
  assertEquals(await count(alone), 2);

  await using project = await cutOff(files);
  assertEquals([await count(project), await readApplied(project.db)], [1, ["001"]]);
  const up = await project.run("up");
  assertEquals(up.code, 1);
  assertStringIncludes(up.stderr, "002_rows.sql:1: was cut off at its up of ");
  assertStringIncludes((await project.run("status")).stdout, "unfinished  002_rows");
  assertEquals(await count(project), 1);
  const stamp = await project.run("stamp", "002");
  assertEquals(stamp.code, 0, stamp.stderr);
  assertEquals((await project.run("up")).stderr, "nothing is pending\n");
  assertEquals(await count(project), 1);
});

/** A project whose dbmate was killed after the work of 002 and before its record. */
async function cutOff(files: Record<string, string>): Promise<Project> {
  const project = await createProject(files);
  await project.run("up", "001");
  await using other = hold(project);
  await other.script("begin; lock table schema_migrations in share mode");
  const { child, kill } = await startKillable(project, "up", "--lock-timeout", "600");
  await waiting(project, "insert into");
  await kill("SIGKILL");
  assertEquals(outcome(await child.output()).code, 137);
  await other.script("rollback");
  return project;
}

Deno.test("H20: up --again repeats what was cut off, for who knows that it was not done", async () => {
  await using project = await cutOff({ "001_a.sql": table, "002_rows.sql": insert });
  await project.db.script("truncate a");
  assertEquals((await project.run("up", "--again")).code, 0);
  assertEquals([await count(project), await readApplied(project.db)], [1, ["001", "002"]]);
});

Deno.test("H20: how far a cut off concurrent build came is read from the catalogs", async () => {
  await using project = await createProject({ "001_a.sql": table, "002_index.sql": index });
  await project.run("up", "001");
  await using other = hold(project);
  await other.script("begin; insert into a values (1)");
  const { child, kill } = await startKillable(project, "up");
  await waiting(project, "create unique index");
  await kill("SIGKILL");
  assertEquals(outcome(await child.output()).code, 137);
  await other.script("rollback");

  const up = await project.run("up");
  assertEquals(up.code, 1);
  assertStringIncludes(up.stderr, "was cut off");
  await project.db.script("drop index concurrently a_b");
  assertEquals((await project.run("up")).code, 0);
  assertEquals(await readApplied(project.db), ["001", "002"]);
});

Deno.test("a run that was killed altogether is waited for by the next one, until its dbmate is gone", async () => {
  await using project = await createProject({
    "001_a.sql": migration(`create table a ();\n${waitForGate}`, "drop table a;"),
  });
  await project.db.script("create table gate ()");
  const first = project.start("up");
  await untilFound(() => engines(project));
  first.kill("SIGKILL");
  await first.output();
  const second = project.start("up");
  await untilFound(() =>
    project.db.query(sql`
      select from pg_stat_activity
      where application_name = 'migrate lock' and datname = current_database()
        and query like '%pg_advisory_unlock%'
    `)
  );
  await project.db.script("insert into gate default values");
  const { code, stderr } = outcome(await second.output());
  assertEquals([code, stderr], [0, "nothing is pending\n"]);
  assertEquals(await readApplied(project.db), ["001"]);
});

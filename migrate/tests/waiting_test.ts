import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DatabaseError, sql } from "../../postgres/mod.ts";
import { dbmateCommand } from "../apply/dbmate.ts";
import { readApplied } from "../apply/ledger.ts";
import { migration } from "../../tests/support/command.ts";
import { holdLock } from "../../tests/support/locks.ts";
import { createProject, type Project, untilFound } from "../../tests/support/project.ts";
import { connectPatiently } from "../../tests/support/database.ts";

const files = {
  "001_a.sql": migration("create table a (b int);", "drop table a;"),
  "002_c.sql": migration("alter table a add column c int;", "alter table a drop column c;"),
};

/** Somebody who reads the table in a transaction and stays. */
const read = (project: Project) => holdLock(project.settings, "select from a");

function queued(project: Project) {
  return untilFound(() =>
    project.db.query(sql`
      select from pg_locks where not granted and mode = 'AccessExclusiveLock'
        and relation = 'a'::regclass
    `)
  );
}

Deno.test("H19: a statement of dbmate's that waits for a table stops every reader after it", async () => {
  await using project = await createProject(files);
  await project.run("up", "001");
  await using _reader = await read(project);
  const dbmate = (await dbmateCommand(project.settings, ["migrate"], {
    env: { DBMATE_MIGRATIONS_DIR: project.dir, PGOPTIONS: "" },
    stdout: "null",
    stderr: "null",
  })).spawn();
  await queued(project);
  await using late = session(project);
  const error = await assertRejects(
    () => late.db.script("set lock_timeout = '100ms'; select from a"),
    DatabaseError,
  );
  assertEquals(error.code, "55P03");
  dbmate.kill("SIGKILL");
  await dbmate.status;
});

function session(project: Project) {
  const db = connectPatiently(project.settings, { session: true });
  return { db, [Symbol.asyncDispose]: () => db.close() };
}

Deno.test("H19: up gives up its place after --lock-timeout, lets readers pass, and tries again until it has the table", async () => {
  await using project = await createProject(files);
  await project.run("up", "001");
  await using reader = await read(project);
  // Of five tries at least three are left when the reader goes, also where that takes seconds.
  const up = project.start("up", "--lock-timeout", "4");
  const lines = up.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("\n")) said += (await lines.read()).value;
  assertStringIncludes(
    said,
    "002_c.sql: no lock within 4 s, so that readers can go on; trying again (2 of 5)",
  );
  await reader.commit();
  assertEquals((await up.status).code, 0);
  assertEquals(await readApplied(project.db), ["001", "002"]);
  await lines.cancel();
  await up.stdout.cancel();
});

Deno.test("H19: after five tries up ends with what to look for, and nothing is half done", async () => {
  await using project = await createProject(files);
  await project.run("up", "001");
  await using _reader = await read(project);
  const { code, stderr } = await project.run("up", "--lock-timeout", "1");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "002_c.sql:2: canceling statement due to lock timeout");
  assertStringIncludes(stderr, "look in pg_stat_activity for a transaction that stays open");
  assertEquals(await readApplied(project.db), ["001"]);
});

Deno.test("a concurrent build stops nobody while it waits, so it waits as long as it takes", async () => {
  await using project = await createProject({
    ...files,
    "002_c.sql": migration(
      "create index concurrently a_b on a (b);",
      "drop index concurrently a_b;",
      " transaction:false",
    ),
  });
  await project.run("up", "001");
  await using writer = await holdLock(project.settings, "insert into a values (1)");
  const up = project.start("up", "--lock-timeout", "1");
  await untilFound(() =>
    project.db.query(sql`
      select from pg_stat_activity where query like '%create index concurrently%' and pid <> pg_backend_pid()
        and query_start < now() - interval '1500 milliseconds' and datname = current_database()
    `)
  );
  await writer.commit();
  assertEquals((await up.output()).code, 0);
  assertEquals(await readApplied(project.db), ["001", "002"]);
});

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { startEmbedded } from "../../embedded/mod.ts";
import { sql } from "../../postgres/mod.ts";
import { dbmateBinary } from "../apply/dbmate.ts";
import { readApplied } from "../apply/ledger.ts";
import { administer, connectPatiently, startAsking } from "../../tests/support/database.ts";
import { dbCommand, migration, outcome, runDbmate } from "../../tests/support/command.ts";
import { temporaryFolder } from "../../tests/support/owner.ts";
import { createProject, untilFound } from "../../tests/support/project.ts";

const files = { "001_a.sql": migration("create table a ();", "drop table a;") };

Deno.test("H18: dbmate up makes a new database of a mistyped name; up refuses it, guesses the right one and makes nothing", async () => {
  await using project = await createProject(files);
  const mistyped = { ...project.settings, database: `${project.settings.database.slice(0, -1)}z` };
  const { code, stderr } = await project.runAt(mistyped, "up");
  assertEquals(code, 3);
  assertStringIncludes(stderr, `there is no database ${mistyped.database}`);
  assertStringIncludes(stderr, `did you mean ${project.settings.database}?`);
  const find = sql`select from pg_database where datname = ${mistyped.database}`;
  assertEquals((await project.db.query(find)).length, 0);

  const dbmate = await runDbmate(["up"], { settings: mistyped, folder: join(project.dir, "..") });
  assertEquals([dbmate.code, (await project.db.query(find)).length], [0, 1]);
  await administer(project.settings, `drop database ${mistyped.database}`);
});

Deno.test("H29: dbmate goes to a database elsewhere at once, and reverts and drops what it reaches, without a question", async () => {
  await using project = await createProject(files);
  const { settings } = project;
  const folder = join(project.dir, "..");
  const elsewhere = { ...settings, host: "db.invalid", database: "slate" };
  for (const command of ["rollback", "drop"]) {
    const { code, stderr } = await runDbmate([command], { settings: elsewhere, folder });
    assertEquals(code, 2);
    assertStringIncludes(stderr, "lookup db.invalid");
  }
  await project.dbmate("migrate");
  assertEquals((await project.dbmate("rollback")).code, 0);
  assertEquals(await readApplied(project.db), []);
  await project.db.close();
  assertEquals((await project.dbmate("drop")).code, 0);
  const server = connectPatiently({ ...settings, database: "postgres" }, { size: 1 });
  const find = sql`select from pg_database where datname = ${settings.database}`;
  assertEquals(await server.query(find), []);
  await server.close();
});

Deno.test("H29: down, reset, seed and branch at a database elsewhere want its name, before they say a word to it", async () => {
  await using project = await createProject(files);
  const elsewhere = { ...project.settings, host: "db.invalid", database: "slate" };
  for (const args of [["down"], ["redo"], ["reset"], ["seed"], ["branch", "b"]]) {
    const asked = await project.runAt(elsewhere, ...args);
    assertEquals([asked.code, args], [2, args], asked.stderr);
    assertStringIncludes(asked.stderr, "say which one by --confirm db.invalid/slate");
    const wrong = await project.runAt(elsewhere, ...args, "--confirm", "slate");
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.stderr, '"slate" is not db.invalid/slate: nothing was changed');
  }
  const named = await project.runAt(elsewhere, "down", "--confirm", "db.invalid/slate");
  assertEquals(named.code, 3);
});

Deno.test("H30: of a URL with an unquoted character dbmate prints the password; every command says what is wrong with it, without", async () => {
  await using project = await createProject(files);
  for (const password of ["s3cr3t#x", "s3 cr3t", "s3cr3t/x"]) {
    const DATABASE_URL = `postgres://slate:${password}@127.0.0.1:1/slate`;
    const dbmate = new Deno.Command(await dbmateBinary(), {
      args: ["--env-file", "", "status"],
      env: { DATABASE_URL, DBMATE_MIGRATIONS_DIR: project.dir },
    });
    const alone = outcome(await dbmate.output());
    assertEquals(alone.code, 2);
    assertStringIncludes(alone.stderr, password.slice(0, 6));
    for (const command of ["up", "status", "drift"]) {
      const ours = outcome(await dbCommand([command], { env: { DATABASE_URL } }).output());
      assertEquals([ours.code, password], [password === "s3 cr3t" ? 3 : 2, password], ours.stderr);
      assertEquals((ours.stdout + ours.stderr).includes("cr3t"), false, ours.stderr);
    }
  }
});

Deno.test("H30: no command prints the password, whatever goes wrong", async () => {
  await using project = await createProject({
    ...files,
    "002_b.sql": migration("select 1 / 0;"),
  });
  const password = "s3cr3t/ü%";
  await using server = await startAsking();
  const wrong = { ...server.settings, password };
  const nowhere = { ...wrong, port: 1 };
  const role = `owner_${crypto.randomUUID().replaceAll("-", "")}`;
  await administer(project.settings, `create role ${role} superuser login password '${password}'`);
  try {
    const right = { ...project.settings, user: role, password };
    for (
      const [settings, expected, seconds] of [
        [wrong, 3, 1],
        [nowhere, 3, 1],
        // Enough to get the lock.
        [right, 1, 600],
      ] as const
    ) {
      for (const args of [["up"], ["up", "--wait", "--timeout", `${seconds}`]]) {
        const { code, stdout, stderr } = await project.runAt(settings, ...args);
        assertEquals(code, expected, stderr);
        for (const form of [password, encodeURIComponent(password)]) {
          assertEquals((stdout + stderr).includes(form), false, stderr);
        }
      }
    }
    const login = await project.runAt(wrong, "status");
    assertStringIncludes(login.stderr, "refused the login");
  } finally {
    await administer(
      project.settings,
      `reassign owned by ${role} to ${project.settings.user}; drop role ${role}`,
    ).catch(() => {});
  }
});

Deno.test("a session that only reads is refused with exit code 3, and status works on it", async () => {
  await using project = await createProject(files);
  await administer(
    project.settings,
    `alter database ${project.settings.database} set default_transaction_read_only = on`,
  );
  const { code, stderr } = await project.run("up");
  assertEquals(code, 3);
  assertStringIncludes(stderr, "default_transaction_read_only is on");
  assertEquals((await project.run("status")).code, 0);
});

Deno.test("a read-only replica is refused with exit code 3, and status and history work on it", async () => {
  await using project = await createProject(files);
  await using folder = await temporaryFolder("slate-test-replica-");
  const dataDir = join(folder.path, "data");
  const primary = await startEmbedded({ dataDir });
  try {
    assertEquals((await project.runAt(primary.settings, "up")).code, 0);
  } finally {
    await primary.stop();
  }
  // A server with this file recovers for ever, as a replica whose primary is silent.
  await Deno.writeTextFile(join(dataDir, "postgres", "standby.signal"), "");
  const replica = await startEmbedded({ dataDir });
  try {
    for (const command of ["up", "down"]) {
      const { code, stderr } = await project.runAt(replica.settings, command);
      assertEquals(code, 3);
      assertStringIncludes(stderr, "is a read-only replica: set DATABASE_URL to the primary");
    }
    const status = await project.runAt(replica.settings, "status");
    assertEquals([status.code, status.stdout.slice(0, 7)], [0, "applied"]);
    assertEquals((await project.runAt(replica.settings, "history")).code, 0);
  } finally {
    await replica.stop();
  }
});

Deno.test("a migration whose session the server ends: up says that nothing is left, and the next one does it", async () => {
  await using project = await createProject({
    "001_a.sql": migration("create table a ();\nselect pg_sleep(600);", "drop table a;"),
  });
  const up = project.start("up");
  const engine = sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where starts_with(application_name, 'migrate engine') and query like '%pg_sleep(600)%'
      and datname = current_database()
  `;
  await untilFound(() => project.db.query(engine));
  const { code, stderr } = outcome(await up.output());
  assertEquals(code, 1);
  assertStringIncludes(stderr, "nothing of it is left");
  assertEquals(await readApplied(project.db), []);
  await project.write("001_a.sql", files["001_a.sql"]);
  assertEquals((await project.run("up")).code, 0);
});

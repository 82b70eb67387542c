import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { runningEmbedded } from "../../embedded/mod.ts";
import { sql } from "../../postgres/mod.ts";
import { type DatabaseSettings, databaseUrl } from "../../postgres/settings.ts";
import { setVariables } from "../files/env_file.ts";
import { migration, runDb } from "../../tests/support/command.ts";
import { connectPatiently, createDatabase } from "../../tests/support/database.ts";
import { untilLeft } from "../../tests/support/locks.ts";
import { keepPort } from "../../tests/support/owner.ts";
import { createProject } from "../../tests/support/project.ts";

const files = { "001_a.sql": migration("create table a (b int);", "drop table a;") };

async function databases(settings: DatabaseSettings): Promise<string[]> {
  const db = connectPatiently({ ...settings, database: "postgres" }, { size: 1 });
  try {
    const rows = await db.query<{ datname: string }>(sql`
      select datname from pg_database where starts_with(datname, ${settings.database}) order by 1
    `);
    return rows.map(({ datname }) => datname);
  } finally {
    await db.close();
  }
}

Deno.test("branch copies the database with its rows, names the copy in .env, and --delete takes both back", async () => {
  await using project = await createProject(files);
  const { settings } = project;
  const envFile = join(project.dir, "..", "env");
  await Deno.writeTextFile(envFile, `# mine\nPORT=9000\nDATABASE_URL=${databaseUrl(settings)}\n`);
  await project.run("up");
  await project.db.script("insert into a values (7)");
  // Nobody may be connected while it copies.
  await project.db.close();
  await untilLeft(settings);

  const made = await project.run("branch", "Add/e-mail", "--env-file", envFile);
  assertEquals(made.code, 0, made.stderr);
  const copy = `${settings.database}_add_e_mail`;
  assertStringIncludes(made.stdout, `created ${copy}, a copy of ${settings.database}`);
  const text = await Deno.readTextFile(envFile);
  assertEquals(text.split("\n").slice(0, 2), ["# mine", "PORT=9000"]);
  // It may hold a password: for its owner only, also where it was there before.
  assertEquals((await Deno.stat(envFile)).mode! & 0o777, 0o600);
  assertEquals(new URL(parseEnv(text).DATABASE_URL!).pathname, `/${copy}`);
  assertEquals(await databases(settings), [settings.database, copy]);
  const db = connectPatiently({ ...settings, database: copy }, { size: 1 });
  assertEquals(await db.query(sql`select b from a`), [{ b: 7 }]);
  await db.close();
  assertMatch((await project.run("branch")).stdout, new RegExp(`${copy} +branch of`));

  assertEquals(
    JSON.parse((await project.run("branch", "--json")).stdout).find((
      { database }: { database: string },
    ) => database === copy),
    { database: copy, origin: settings.database },
  );

  const again = await project.run("branch", "add_e_mail", "--env-file", envFile);
  assertEquals(again.code, 1);
  assertStringIncludes(again.stderr, `${copy} exists`);

  const branch = { ...settings, database: copy };
  const gone = await project.runAt(branch, "branch", "--delete", "--env-file", envFile);
  assertEquals(gone.code, 0, gone.stderr);
  assertEquals(await databases(settings), [settings.database]);
  assertEquals(
    new URL(parseEnv(await Deno.readTextFile(envFile)).DATABASE_URL!).pathname,
    `/${settings.database}`,
  );
});

Deno.test("branch --delete drops nothing that branch has not made, and a copy of a database in use is refused", async () => {
  await using project = await createProject(files);
  const original = await project.run("branch", "--delete");
  assertEquals(original.code, 2);
  assertStringIncludes(original.stderr, "is not a branch");
  await project.db.query(sql`select 1`);
  const busy = await project.run("branch", "b");
  assertEquals(busy.code, 1);
  assertStringIncludes(busy.stderr, "is in use");
  const long = await project.run("branch", "x".repeat(60));
  assertEquals(long.code, 2);
  assertEquals(await databases(project.settings), [project.settings.database]);
});

Deno.test("with no database named, the embedded one runs for the time of the command, and a branch of it is found again", async () => {
  await using project = await createProject(files);
  const dataDir = join(project.dir, "..", "data");
  await Deno.mkdir(dataDir, { mode: 0o700 });
  await keepPort(dataDir);
  const envFile = join(project.dir, "..", "env");
  const env = {
    DBMATE_MIGRATIONS_DIR: project.dir,
    SLATE_DATA_DIR: dataDir,
    DATABASE_URL: "",
    PGHOST: "",
    PGPASSFILE: "",
  };
  const up = await runDb(["up"], { env });
  assertEquals(up.code, 0, up.stderr);
  assertEquals(await runningEmbedded(dataDir), undefined);
  const branch = await runDb(["branch", "b", "--env-file", envFile], { env });
  assertEquals(branch.code, 0, branch.stderr);
  const named = parseEnv(await Deno.readTextFile(envFile)) as Record<string, string>;
  assertEquals(named.PGPASSFILE, join(dataDir, "pgpass"));
  assertMatch(
    named.DATABASE_URL!,
    /^postgres:\/\/slate@127\.0\.0\.1:\d+\/slate_b\?sslmode=disable$/,
  );

  assertEquals((await runDb(["down"], { env: { ...env, ...named } })).code, 0);
  assertMatch((await runDb(["status"], { env: { ...env, ...named } })).stdout, /^pending/);
  assertMatch((await runDb(["status"], { env })).stdout, /^applied/);
  const gone = await runDb(["branch", "--delete", "--env-file", envFile], {
    env: { ...env, ...named },
  });
  assertEquals(gone.code, 0, gone.stderr);
  assertEquals(await runningEmbedded(dataDir), undefined);

  // A file that names the embedded database, for dbmate by hand, gets back what it said.
  const before = await Deno.readTextFile(envFile);
  assertMatch(parseEnv(before).DATABASE_URL!, /\/slate\?sslmode=disable$/);
  for (const args of [["c"], ["--delete"]]) {
    const said = parseEnv(await Deno.readTextFile(envFile)) as Record<string, string>;
    const { code, stderr } = await runDb(["branch", ...args, "--env-file", envFile], {
      env: { ...env, ...said },
    });
    assertEquals(code, 0, stderr);
  }
  assertEquals(await Deno.readTextFile(envFile), before);
});

Deno.test("setVariables changes the last line that counts, adds what is missing and keeps the rest", () => {
  const text = "# A=0\nA=1\nB=2\nA=3\n";
  assertEquals(setVariables(text, { A: "x", C: "a b" }), '# A=0\nA=1\nB=2\nA=x\nC="a b"\n');
  assertEquals(setVariables("", { A: "1" }), "A=1\n");
});

Deno.test("reset starts over with demo data, seed changes nothing that is there, console asks psql", async () => {
  await using database = await createDatabase();
  const { settings } = database;
  await database.db.script("create table mine ()");
  const reset = await runDb(["reset"], { settings });
  assertEquals(reset.code, 0, reset.stderr);
  assertEquals((await runDb(["seed"], { settings })).code, 0);
  const [row] = await database.db.query(sql`
    select to_regclass('mine') as mine, (select count(*)::int from users) as users
  `);
  assertEquals(row, { mine: null, users: 1 });

  const console = await runDb(["console", "--", "-XAtc", "select current_database()"], {
    settings,
  });
  const found = await new Deno.Command("sh", { args: ["-c", "command -v psql"] }).output();
  if (found.success) {
    assertEquals([console.code, console.stdout], [0, `${settings.database}\n`]);
  } else {
    assertEquals(console.code, 2);
    assertStringIncludes(console.stderr, "there is no psql on PATH");
  }
});

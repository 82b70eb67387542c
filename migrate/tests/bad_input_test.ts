/** What the `db` command is given and cannot use: a message, an exit code, and nothing half done. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { startEmbedded } from "../../embedded/mod.ts";
import { sql } from "../../postgres/mod.ts";
import { databaseUrl } from "../../postgres/settings.ts";
import { deniedExtension } from "../advice.ts";
import { readApplied } from "../apply/ledger.ts";
import { administer } from "../../tests/support/database.ts";
import { migration, runDb, runDbmate } from "../../tests/support/command.ts";
import { temporaryFolder } from "../../tests/support/owner.ts";
import { createPooler } from "../../tests/support/pooler.ts";
import { createProject, type Project } from "../../tests/support/project.ts";

const table = "create table a (b int);\n";
const files = { "001_a.sql": `-- down loses every a\n${migration(table, "drop table a;")}` };
const latin = Uint8Array.from("create table caf\xe9 ();\n", (letter) => letter.charCodeAt(0));

/** Everything that is in the folder, and what is in the database. */
async function inventory({ dir, db }: Project) {
  const rows = await db.query<{ name: string }>(sql`
    select relname as name from pg_class where relnamespace = 'public'::regnamespace order by 1
  `);
  return [
    [...Deno.readDirSync(dir)].map(({ name }) => name).sort(),
    rows.map(({ name }) => name),
  ];
}

/** That each command ends so, and that folder and database are as they were. */
async function refused(
  project: Project,
  run: (...args: string[]) => ReturnType<Project["run"]>,
  commands: string[],
  code: number,
  words: string,
) {
  const before = await inventory(project);
  for (const command of commands) {
    const result = await run(...command.split(" "));
    assertEquals([command, result.code], [command, code], result.stderr);
    assertStringIncludes(result.stderr, words, command);
    assertEquals(result.stderr.includes("    at "), false, result.stderr);
  }
  assertEquals(await inventory(project), before);
}

Deno.test("a migration that is not UTF-8, or has 10 MB, is named by every command that would use it", async () => {
  for (
    const [content, words] of [
      [latin, "002_b.sql:1: is not UTF-8"],
      [migration("insert into a values (1);\n".repeat(400_000)), "002_b.sql: has 9.9 MiB"],
    ] as const
  ) {
    await using project = await createProject(files);
    await project.run("up");
    await project.write("002_b.sql", content);
    const commands = [
      "up",
      "up --sql",
      "status",
      "check",
      "diff x",
      "schema",
      "stamp head",
      "reset",
    ];
    await refused(project, project.run, commands, 1, words);
    assertEquals(await readApplied(project.db), ["001"]);
  }
});

for (
  const [label, text, words] of [
    [
      "does not parse",
      `${table}create tabel b ();\n`,
      'schema.sql:2: syntax error at or near "tabel"',
    ],
    [
      "does not run",
      `${table}\ncreate view v as select c from a;\n`,
      'schema.sql:3: column "c" does',
    ],
    ["is not UTF-8", latin, "schema.sql:1: is not UTF-8"],
    ["begins with a byte-order mark", `\ufeff${table}`, "schema.sql:1: begins with a byte-order"],
    ["holds a NUL byte", `${table}-- \0\n`, "schema.sql:2: holds a NUL byte"],
  ] as const
) {
  Deno.test(`a schema.sql that ${label} is named with its line by diff, which drafts nothing`, async () => {
    await using project = await createProject(files);
    const path = join(project.dir, "..", "schema.sql");
    await Deno.writeFile(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    await refused(project, project.run, ["diff x", "diff x --stdout"], 1, words);
    await refused(project, project.run, ["check"], 1, "is not what the migrations build");
  });
}

Deno.test("a hint that is not UTF-8 is named as it was given", async () => {
  await using project = await createProject(files);
  const path = join(project.dir, "..", "hint.sql");
  await Deno.writeFile(path, latin);
  await refused(project, project.run, [`diff x --hint ${path}`], 2, `${path}:1: is not UTF-8`);
});

Deno.test("a database and a role with spaces, quotes and signs in their names are used as any other", async () => {
  await using project = await createProject(files);
  const id = crypto.randomUUID().slice(0, 8);
  const [database, user, password] = [
    `my "db" o'clock; %${id}`,
    `an "odd" o'ne; %${id}`,
    `p w"'%/`,
  ];
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
  await administer(project.settings, `create database ${quoted(database)}`);
  await administer(
    project.settings,
    `create role ${quoted(user)} superuser login password '${password.replaceAll("'", "''")}'`,
  );
  const odd = { ...project.settings, database, user, password };
  const envFile = join(project.dir, "..", "a 'new' env");
  try {
    for (
      const args of [
        ["up"],
        ["status"],
        ["drift"],
        ["redo"],
        ["stamp", "head"],
        ["history"],
        ["diff", "x", "--from", "database", "--to", "migrations"],
        ["branch", "b", "--env-file", envFile],
        ["branch", "--delete", "b", "--env-file", envFile],
        ["down"],
        ["reset", "--no-seed"],
      ]
    ) {
      const { code, stderr } = await project.runAt(odd, ...args);
      assertEquals([args, code], [args, 0], stderr);
    }
  } finally {
    await administer(project.settings, `drop database ${quoted(database)} with (force)`);
    await administer(project.settings, `drop role ${quoted(user)}`);
  }
});

Deno.test("a checkout's folder with spaces and quotes in its name is used as any other", async () => {
  await using project = await createProject(files);
  const folder = join(project.dir, "..", `it's "my" folder; $HOME`);
  await Deno.mkdir(folder);
  await Deno.rename(project.dir, join(folder, "migrations"));
  const place = { settings: project.settings, folder };
  for (const args of [["up"], ["drift"], ["redo"], ["schema"], ["check"], ["new", "b"]]) {
    const { code, stderr } = await runDb(args, place);
    assertEquals([args, code], [args, 0], stderr);
  }
});

Deno.test("a role without rights is told which one is missing, by every command, with exit code 3", async () => {
  await using project = await createProject(files);
  const { settings } = project;
  const user = `poor_${crypto.randomUUID().replaceAll("-", "")}`;
  await administer(settings, `create role ${user} login password 'poor'`);
  try {
    const poor = { ...settings, user, password: "poor" };
    const run = (...args: string[]) => project.runAt(poor, ...args);
    const changes = ["up", "down", "redo", "stamp head"];
    await refused(project, run, changes, 3, `lets ${user} create nothing in the schema public`);
    await refused(project, run, ["reset", "branch x"], 3, `${user} needs the right createdb`);
    await refused(project, run, ["seed"], 1, "`deno task db up` first");
    await project.run("up");
    await refused(project, run, changes, 3, `lets ${user} create nothing in the schema public`);
    const denied = "permission denied for table schema_migrations: use the role that applied";
    await refused(project, run, ["status", "history", "drift", "show 001"], 3, denied);
    assertEquals(await readApplied(project.db), ["001"]);

    const env = { SCRATCH_DATABASE_URL: databaseUrl(poor) };
    const scratch = (...args: string[]) =>
      runDb(args, { settings, folder: join(project.dir, ".."), env });
    await Deno.writeTextFile(join(project.dir, "..", "schema.sql"), "create table a (id int);");
    const needs = `permission denied to create database: \`alter role ${user} createdb\``;
    await refused(project, scratch, ["check", "diff x", "drift", "schema"], 3, needs);

    await administer(settings, `revoke connect on database ${settings.database} from public`);
    await refused(project, run, ["up", "status", "drift"], 3, `${user} may not connect`);
  } finally {
    await administer(settings, `drop role ${user}`);
  }
});

Deno.test("a role that owns the first schema of the search_path needs no right to make schemas, as for dbmate", async () => {
  await using project = await createProject(files);
  const { settings } = project;
  const user = `tenant_${crypto.randomUUID().replaceAll("-", "")}`;
  await administer(settings, `create role ${user} login password 'poor'`);
  try {
    await administer(settings, `create schema own authorization ${user}`);
    const poor = { ...settings, user, password: "poor", searchPath: "own, public" };
    const place = { settings: poor, folder: join(project.dir, "..") };
    const byHand = await runDbmate(["up"], place);
    assertEquals(byHand.code, 0, byHand.stderr);
    for (const command of ["down", "up"]) {
      const { code, stderr } = await runDb([command], place);
      assertEquals(code, 0, stderr);
    }
  } finally {
    await administer(settings, `drop owned by ${user}; drop role ${user}`);
  }
});

Deno.test("up says who has to do what where its role may not make an extension", async () => {
  await using project = await createProject({
    "001_gist.sql": migration("create extension btree_gist;", "drop extension btree_gist;"),
  });
  const { settings, db } = project;
  const user = `poor_${crypto.randomUUID().replaceAll("-", "")}`;
  await administer(settings, `create role ${user} login password 'poor'`);
  await db.script(`grant create on schema public to ${user}`);
  try {
    const poor = { ...settings, user, password: "poor" };
    const { code, stderr } = await project.runAt(poor, "up");
    const grant = `grant create on database ${settings.database} to ${user}`;
    assertEquals(code, 1);
    assertStringIncludes(stderr, `let its owner or an administrator run \`${grant}\` and run this`);
    await administer(settings, grant);
    assertEquals((await project.runAt(poor, "up")).code, 0);
    assertEquals(
      await deniedExtension(db, 'permission denied to create extension "dblink"'),
      "let a superuser run `create extension dblink` in this database, write " +
        "`create extension if not exists dblink` here",
    );
  } finally {
    await db.script(`drop owned by ${user} cascade`);
    await administer(settings, `drop owned by ${user}; drop role ${user}`);
  }
});

Deno.test("on a read-only replica every command that changes something names the primary", async () => {
  await using project = await createProject(files);
  await using folder = await temporaryFolder("slate-test-replica-");
  const dataDir = join(folder.path, "data");
  await (await startEmbedded({ dataDir })).stop();
  // A server with this file recovers for ever, as a replica whose primary is silent.
  await Deno.writeTextFile(join(dataDir, "postgres", "standby.signal"), "");
  const replica = await startEmbedded({ dataDir });
  try {
    const run = (...args: string[]) => project.runAt(replica.settings, ...args);
    const changes = ["up", "down", "redo", "stamp head"];
    await refused(project, run, changes, 3, "is a read-only replica: set DATABASE_URL to the");
    await refused(project, run, ["reset", "branch x"], 3, "set DATABASE_URL to the primary");
  } finally {
    await replica.stop();
  }
});

Deno.test("behind a pooler in transaction mode what reads works, and what changes is refused before it begins", async () => {
  await using project = await createProject(files);
  await project.run("up");
  await project.db.script("insert into a values (7)");
  await using pooler = createPooler(project.settings, { size: 2 });
  const pooled = { ...project.settings, port: pooler.port };
  const run = (...args: string[]) => project.runAt(pooled, ...args);
  const changes = ["up", "down", "redo", "stamp head", "reset"];
  await refused(project, run, changes, 4, "behind a pooler in transaction mode");
  assertEquals(await project.db.query(sql`select b from a`), [{ b: 7 }]);
  for (const command of ["status", "history", "drift", "show 001"]) {
    const { code, stderr } = await run(...command.split(" "));
    assertEquals([command, code], [command, 0], stderr);
  }
});

Deno.test("reset drops nothing while up would refuse what is in the folder", async () => {
  await using project = await createProject(files);
  await project.run("up");
  await project.db.script("insert into a values (7)");
  await project.write("002_b.sql", migration("create table b (", "drop table b;"));
  await refused(project, project.run, ["reset"], 1, "nothing was dropped");
  assertEquals(await project.db.query(sql`select b from a`), [{ b: 7 }]);
});

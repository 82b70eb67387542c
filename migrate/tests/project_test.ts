import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { createFolder, migration, outcome } from "../../tests/support/command.ts";
import { createDatabase } from "../../tests/support/database.ts";
import { root } from "../../tests/support/root.ts";
import { createForeign, findings, named } from "./support.ts";

/** A project with one table, somewhere else than this checkout. */
async function foreignProject() {
  const folder = await createFolder();
  await Deno.mkdir(join(folder.path, "db", "migrations"), { recursive: true });
  await folder.write(
    "db/migrations/1_create_cats.sql",
    migration("create table cats (id int primary key);", "drop table cats;"),
  );
  return folder;
}

/** `deno task db` of this checkout, typed while standing in a folder. */
async function type(cwd: string, args: string[], env: Record<string, string> = {}) {
  const inherited: Record<string, string> = { ...Deno.env.toObject(), NO_COLOR: "1", ...env };
  for (const name of ["INIT_CWD", "DATABASE_URL", "PGHOST"]) delete inherited[name];
  const command = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "--config", join(root, "deno.json"), "db", ...args],
    cwd,
    clearEnv: true,
    env: inherited,
    stdin: "null",
  });
  return outcome(await command.output());
}

Deno.test("the project is the folder that the command is run in, never the one of its code", async () => {
  await using folder = await foreignProject();
  const sql = ["up", "--sql", "--from", "base"];
  for (
    const [cwd, args, env] of [
      [folder.path, [], {}],
      [folder.path, [], { DBMATE_MIGRATIONS_DIR: "db/migrations" }],
      [join(folder.path, "migrations"), ["--root", ".."], {}],
      [root, ["--root", folder.path], {}],
    ] as const
  ) {
    const { code, stdout, stderr } = await type(cwd, [...sql, ...args], env);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "-- up: 1_create_cats.sql");
    assertEquals(stdout.match(/^-- up:/gm)?.length, 1);
  }
});

Deno.test("in a folder below a project, the command means that project; beside one, none", async () => {
  await using folder = await foreignProject();
  await Deno.mkdir(join(folder.path, "src", "deep"), { recursive: true });
  const below = await type(join(folder.path, "src", "deep"), ["up", "--sql", "--from", "base"]);
  assertStringIncludes(below.stdout, "-- up: 1_create_cats.sql");
  await using empty = await createFolder();
  const { code, stderr } = await type(empty.path, ["up", "--sql", "--from", "base"]);
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, "db/migrations is not there");
});

Deno.test("without a migrate.config.ts there is no demo data and no development database", async () => {
  await using folder = await foreignProject();
  const seed = await type(folder.path, ["seed"]);
  assertEquals(seed.code, 2);
  assertStringIncludes(seed.stderr, "no demo data");
  const up = await type(folder.path, ["up"]);
  assertEquals(up.code, 2);
  assertStringIncludes(up.stderr, "DATABASE_URL is missing");
});

Deno.test("a migrate.config.ts that cannot be loaded, and a root that is not there, are told in a line", async () => {
  await using folder = await foreignProject();
  await folder.write("migrate.config.ts", "export default {");
  const broken = await type(folder.path, ["status"]);
  assertEquals(broken.code, 2);
  assertStringIncludes(broken.stderr, "migrate.config.ts cannot be loaded: ");
  const gone = await type(folder.path, ["status", "--root", "nowhere"]);
  assertEquals([gone.code, gone.stderr], [2, "--root nowhere is not there\n"]);
});

Deno.test("a migrate.config.ts names the command, seeds, and has the last word after up", async () => {
  await using folder = await foreignProject();
  await folder.write(
    "migrate.config.ts",
    `export default {
      command: "make db",
      development: { dataDir: ${JSON.stringify(join(folder.path, "data"))}, name: "slate" },
      afterUp: ({ db, say }) => db.script("insert into cats values (1)").then(() => say("fed")),
      seed: (db) => db.script("insert into cats values (2) on conflict do nothing"),
    };`,
  );
  assertStringIncludes((await type(folder.path, ["--help"])).stdout, "Usage: make db <command>");
  const up = await type(folder.path, ["up"]);
  assertEquals([up.code, up.stderr], [0, "fed\n"]);
  for (const _ of [1, 2]) {
    const seed = await type(folder.path, ["seed"]);
    assertEquals([seed.code, seed.stdout], [0, "the demo data is there\n"], seed.stderr);
  }
});

Deno.test("a dump as the first file: what it sets is one finding, and reaches no file of a later run", async () => {
  await using database = await createDatabase({ empty: true });
  await using project = await createForeign({
    "1_dump.sql": migration(
      `-- PostgreSQL database dump
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;

COMMENT ON SCHEMA public IS '';
CREATE TABLE public.cats (id bigint NOT NULL);
SET default_tablespace = '';
ALTER TABLE ONLY public.cats ADD CONSTRAINT cats_pkey PRIMARY KEY (id);`,
      "drop table public.cats;\ncomment on schema public is 'standard public schema';",
    ),
    "2_dogs.sql": migration(
      "create table dogs (id bigint references cats (id));",
      "drop table dogs;",
    ),
  });
  const judged = await project.run(["check"]);
  assertMatch(
    judged.stderr,
    /1_dump\.sql:3: `SET statement_timeout = 0` and what lines 4, 5, 6, 10 set last for the session .*\[session-setting\]; end the block with `reset all`.*\none finding in 2 migrations/,
  );
  // One run of dbmate stops at the second file, and the next one applies it.
  const { settings } = database;
  assertEquals((await project.dbmate(["migrate"], settings)).code, 2);
  for (const baseline of ["1", "2"]) {
    await project.write("migrate.config.json", JSON.stringify({ baseline }));
    const check = await project.run(["check"]);
    assertEquals([check.code, findings(check)], [0, []], check.stderr);
  }
  await database.db.script("drop table cats, schema_migrations; comment on schema public is 'x'");
  const up = await project.run(["up"], named(settings));
  assertEquals([up.code, up.stdout.match(/^applied /gm)?.length], [0, 2], up.stderr);
  const drift = await project.run(["drift"], named(settings));
  assertEquals([drift.code, drift.stdout], [0, ""], drift.stderr);
});

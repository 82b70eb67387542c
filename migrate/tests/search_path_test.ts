import { join } from "node:path";
import { assertEquals, assertMatch } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { migration, runDb, runDbmate } from "../../tests/support/command.ts";
import { connectPatiently, createDatabase } from "../../tests/support/database.ts";
import { createProject, type Project } from "../../tests/support/project.ts";
import { schemasOfPath } from "../project.ts";
import { createForeign, findings, named } from "./support.ts";

const a = migration("create table a (id int);", "drop table a;");
const app = migration("create schema app;", "drop schema app;");

/** The tables, but for the ledger. */
async function tables({ db }: Pick<Project, "db">): Promise<string[]> {
  const rows = await db.query<{ name: string }>(sql`
    select schemaname || '.' || tablename as name from pg_tables
    where schemaname !~ '^(pg_|information_schema$)' and tablename <> 'migration_ledger' order by 1`);
  return rows.map(({ name }) => name);
}

Deno.test("the first schema of the URL's search_path is the one that dbmate makes, whatever signs and capitals it has", async () => {
  const paths = [
    ...["my-app", "tenant$1, public", "café", "a%b", `o'b"x`, "order", "1st"],
    // dbmate makes "Tenant" and looks there, the server looks into tenant, and the same with quotes.
    ...["Tenant, public", '"Tenant", public', '"$user", public'],
  ];
  for (const searchPath of paths) {
    await using byDbmate = await createProject({ "001_a.sql": a });
    await using byUp = await createProject({ "001_a.sql": a });
    await using byScript = await createProject({ "001_a.sql": a });
    const place = ({ settings, dir }: Project) => ({
      settings: { ...settings, searchPath },
      folder: join(dir, ".."),
    });
    assertEquals((await runDbmate(["up"], place(byDbmate))).code, 0);
    const made = await tables(byDbmate);
    await byScript.db.script((await runDb(["up", "--sql"], place(byScript))).stdout);
    for (const args of [["drift"], ["up"], ["drift"]]) {
      const { code, stderr } = await runDb(args, place(byUp));
      assertEquals(code, 0, stderr);
    }
    assertEquals([await tables(byUp), await tables(byScript)], [made, made], searchPath);
    assertMatch((await runDbmate(["status"], place(byUp))).stdout, /\[X\] 001_a\.sql/);
    assertMatch((await runDb(["status"], place(byUp))).stdout, /^applied +001_a +\d/);
    await byScript.db.script((await runDb(["down", "--sql"], place(byScript))).stdout);
    assertEquals((await runDb(["down"], place(byUp))).code, 0);
    const left = made.filter((name) => !name.endsWith(".a"));
    assertEquals([await tables(byUp), await tables(byScript)], [left, left], searchPath);
  }
});

Deno.test("a search_path of which the server finds no schema, and dbmate makes another one, is told before anything is made", async () => {
  await using project = await createProject({ "001_a.sql": a });
  const settings = { ...project.settings, searchPath: "Tenant" };
  const { code, stderr } = await runDb(["up"], { settings, folder: join(project.dir, "..") });
  assertEquals(code, 3);
  assertMatch(stderr, /no schema tenant, as which the server reads "Tenant".*lower case/);
  assertEquals(await project.db.query(sql`select from pg_namespace where nspname ~* 'tenant'`), []);
});

Deno.test("the schemas of a search_path are those that the server reads", () => {
  const read = schemasOfPath(' App,"b, ""C""" ,É-x,$user');
  assertEquals(read, ["app", 'b, "C"', "É-x", "$user"]);
});

Deno.test("a name that dbmate's table cannot have, or that the ledger has, is refused by every command", async () => {
  await using project = await createProject({ "001_a.sql": a });
  for (const table of ["a.b.c", "meta.", "migration_ledger", "public.migration_ledger"]) {
    for (const args of [["up"], ["up", "--sql"], ["status"], ["check"]]) {
      const { code, stdout, stderr } = await runDb(args, {
        settings: project.settings,
        folder: join(project.dir, ".."),
        env: { DBMATE_MIGRATIONS_TABLE: table },
      });
      assertEquals([code, stdout], [2, ""], stderr);
      assertMatch(stderr, /^DBMATE_MIGRATIONS_TABLE is "[^\n]+\n$/);
    }
  }
  assertEquals(await tables(project), []);
});

Deno.test("drift: what another table or search_path of dbmate's builds is not taken for this one's", async () => {
  await using database = await createDatabase({ empty: true });
  await using project = await createForeign({ "001_a.sql": a });
  const { DATABASE_URL } = named(database.settings);
  for (const table of ["meta.versions", "schema_migrations", "other.versions"]) {
    const env = { DATABASE_URL: DATABASE_URL!, DBMATE_MIGRATIONS_TABLE: table };
    await database.db.script("drop table if exists a, migration_ledger, schema_migrations");
    await database.db.script("drop schema if exists meta cascade");
    assertEquals((await project.run(["up"], env)).code, 0);
    const { code, stdout, stderr } = await project.run(["drift"], env);
    assertEquals([code, stdout], [0, ""], stderr);
  }
});

Deno.test("a migration after which dbmate finds no table to record it in is named by check, and by up with the way out", async () => {
  const local = "create schema app;\nset local search_path = app;\ncreate table b (id int);";
  const ends = "set local search_path = app;\ndrop table b;\nreset search_path;\ndrop schema app;";
  const moved = "create schema old;\nalter table schema_migrations set schema old;";
  for (const [up, schema] of [[local, "app"], [moved, "public"]] as const) {
    await using database = await createDatabase({ empty: true });
    await using project = await createForeign({
      "001_a.sql": a,
      "002_b.sql": migration(up, ends),
    });
    const [found, ...more] = findings(await project.run(["check"]));
    assertEquals(more, []);
    const words = `${schema}.schema_migrations, which is not there; leave .*reset search_path`;
    assertMatch(found!, RegExp(`002_b\\.sql:1: up fails: dbmate records it in ${words}`));
    const at = named(database.settings);
    const { code, stderr } = await project.run(["up"], at);
    assertEquals(code, 1);
    assertMatch(stderr, /records it there; leave .*reset search_path.*nothing of it is left/);
    await project.write(
      "db/migrations/002_b.sql",
      migration(`${local}\nreset search_path;`, ends),
    );
    const mended = await project.run(["up"], at);
    assertEquals(mended.code, 0, mended.stderr);
    assertEquals(findings(await project.run(["check"])), []);
    assertEquals((await project.run(["down"], at)).code, 0);
  }
});

Deno.test("up stops behind a migration that leads new sessions away from dbmate's table, and goes on where its schema is said", async () => {
  await using database = await createDatabase({ empty: true });
  const { db, settings } = database;
  const alter = (change: string) =>
    `do $$ begin execute format('alter database %I ${change}', current_database()); end $$;`;
  await using project = await createForeign({
    "001_app.sql": app,
    "002_path.sql": migration(alter("set search_path = app, public"), alter("reset search_path")),
    "003_a.sql": a,
  });
  const at = named(settings);
  const first = await project.run(["up"], at);
  assertEquals(first.code, 2);
  assertMatch(first.stderr, /002_path\.sql is done and recorded; from now on dbmate looks for /);
  for (const args of [["up"], ["up", "--sql"], ["status"], ["drift"], ["down"]]) {
    const { code, stdout, stderr } = await project.run(args, at);
    assertEquals([code, stdout], [2, ""]);
    assertMatch(stderr, /in app, .*DBMATE_MIGRATIONS_TABLE=public\.schema_migrations/);
  }
  assertEquals(await tables(database), ["public.schema_migrations"]);
  const said = { ...at, DBMATE_MIGRATIONS_TABLE: "public.schema_migrations" };
  for (const args of [["up"], ["status"], ["drift"], ["check"], ["down", "base"], ["up"]]) {
    const { code, stderr } = await project.run(args, said);
    assertEquals(code, 0, stderr);
  }
  assertEquals(await tables({ db }), ["app.a", "public.schema_migrations"]);
});

Deno.test("a script records where dbmate does, whatever a block makes of the search_path, and what history leaves to a session ends there", async () => {
  await using byUp = await createDatabase({ empty: true });
  await using byScript = await createDatabase({ empty: true });
  const dump =
    "set statement_timeout = 0;\nselect pg_catalog.set_config('search_path', '', false);\n";
  await using project = await createForeign({
    "001_dump.sql": migration(`${dump}create table public.dumped ();`, "drop table public.dumped;"),
    "002_a.sql": a,
    "003_b.sql": migration(
      "set local search_path = '';\ncreate table public.b ();",
      "set local search_path = '';\ndrop table public.b;",
    ),
    "004_c.sql": migration("create table c ();", "drop table c;"),
  }, { baseline: "001" });
  for (const args of [["up"], ["down", "base"]]) {
    const up = await project.run(args, named(byUp.settings));
    assertEquals(up.code, 0, up.stderr);
    const script = await project.run([...args, "--sql"], named(byScript.settings));
    // A script is one session, and ends with it.
    await using session = createSession(byScript.settings);
    await session.db.script(script.stdout);
    assertEquals(await tables(byScript), await tables(byUp));
    const recorded = async ({ db }: Pick<Project, "db">) =>
      await db.query(sql`select version from public.schema_migrations order by 1`);
    assertEquals(await recorded(byScript), await recorded(byUp));
  }
});

function createSession(settings: Project["settings"]) {
  const db = connectPatiently(settings, { session: true });
  return { db, [Symbol.asyncDispose]: () => db.close() };
}

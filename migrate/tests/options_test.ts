/**
 * Options that a server keeps for itself, as PostgreSQL 15.20 does in each column, and options that
 * another server does not know. Neither can be had on every server, so they are put into the catalog.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Database } from "../../postgres/mod.ts";
import { databaseUrl } from "../../postgres/settings.ts";
import { type Catalog, readCatalog } from "../catalog/catalog.ts";
import { withoutSettings, withStatedOptions } from "../catalog/options.ts";
import { difference, readFacts } from "../draft/delta.ts";
import { withSession } from "../draft/draft.ts";
import { schemaText } from "../schema/text.ts";
import { migration } from "../../tests/support/command.ts";
import { createDatabase } from "../../tests/support/database.ts";
import { createProject } from "../../tests/support/project.ts";

const everyKind = await Deno.readTextFile(new URL("fixtures/every_kind.sql", import.meta.url));

/** Gives every column and every relation of the schemas an option beside those that they have. */
async function putIntoCatalog(db: Database, option: string) {
  const ours = "relnamespace::regnamespace::text in ('public', 'school')";
  await db.script(`
    update pg_attribute set attoptions = array['${option}'] || attoptions
    where attnum > 0 and attrelid in (select oid from pg_class where ${ours} and relkind in ('r', 'p', 'v', 'm', 'c'));
    update pg_class set reloptions = array['${option}'] || reloptions
    where ${ours} and relkind in ('r', 'p', 'v', 'm', 'i')`);
}

Deno.test("what a server keeps for itself is in no snapshot, no schema.sql and no draft", async () => {
  await using clean = await createDatabase({ empty: true });
  await using kept = await createDatabase({ empty: true });
  const schema = `${everyKind};alter table people alter column nick set (n_distinct = 5);`;
  await clean.db.script(schema);
  await kept.db.script(schema);
  await putIntoCatalog(kept.db, "pg_attver=48598624");
  assertEquals(withoutIds(await readCatalog(kept.db)), withoutIds(await readCatalog(clean.db)));
  const text = await schemaText(kept.db);
  assertEquals(text, await schemaText(clean.db));
  for (const stated of ["n_distinct=5", "fillfactor=50", "fillfactor='70'", "security_barrier"]) {
    assertStringIncludes(text, stated);
  }
  await withSession(clean.settings, (a) =>
    withSession(kept.settings, async (b) => {
      const [here, there] = [await readFacts(a), await readFacts(b)];
      assertEquals(await difference(a, here, there), []);
      assertEquals(await difference(b, there, here), []);
    }));
});

function withoutIds({ definitions, rows }: Catalog) {
  return { rows, definitions: definitions.map(({ id: _, ...object }) => object) };
}

Deno.test("of an index's definition only the server's own options are left out", () => {
  for (
    const [definition, expected] of [
      ["(a) WITH (pg_x='1')", "(a)"],
      ["(a) WITH (pg_x='1', pg_y='2', fillfactor='70')", "(a) WITH (fillfactor='70')"],
      ["(a) WITH (buffering=auto, pg_x='1') WHERE a > 0", "(a) WITH (buffering=auto) WHERE a > 0"],
      ["(a o (pg_x='1', siglen='64'))", "(a o (siglen='64'))"],
      ["(a o (pg_x='1'), b)", "(a o, b)"],
      ["(((pg_x = 'b'::text))) WHERE t <> ' (pg_x=''1'') ()'", undefined],
    ]
  ) assertEquals(withStatedOptions(definition!), expected ?? definition);
});

Deno.test("of a function's definition only settings that are not known are left out", () => {
  const body = "AS $function$\n SET made_up TO '1'\n$function$\n";
  const set = " SET made_up TO '1'\n SET my.own TO 'x'\n";
  for (const end of [body, "RETURN 1\n", "BEGIN ATOMIC\n SELECT 1;\nEND\n"]) {
    const head = "CREATE OR REPLACE FUNCTION public.f()\n LANGUAGE sql\n";
    const definition = `${head}${set}${end}`;
    assertEquals(withoutSettings(definition, []), definition);
    assertEquals(withoutSettings(definition, ["made_up"]), `${head} SET my.own TO 'x'\n${end}`);
    assertEquals(withoutSettings(definition, ["made_up", "my.own"]), head + end);
  }
});

const notes = {
  "20260101000000_create_notes.sql": migration(
    "create table notes (id bigint not null, body text) with (fillfactor = 70);\n" +
      "create index notes_body_idx on notes (body) with (fillfactor = 80);",
    "drop table notes;",
  ),
};

Deno.test("drift, stamp and diff find nothing where a server keeps options for itself", async () => {
  await using project = await createProject(notes);
  assertEquals((await project.run("up")).code, 0);
  await putIntoCatalog(project.db, "pg_attver=48598624");
  const url = databaseUrl(project.settings);
  for (
    const command of [["drift"], ["stamp", "head"], [
      "diff",
      "x",
      "--from",
      url,
      "--to",
      "migrations",
    ]]
  ) {
    const { code, stdout, stderr } = await project.run(...command);
    assertEquals([code, stdout], [0, ""], stderr);
  }
});

Deno.test("an option that the scratch server does not know is named, and the rest is compared", async () => {
  await using project = await createProject(notes);
  const functions = `
    create function plain() returns int language sql set search_path = '' as 'select 1';
    create function standard() returns int language sql set work_mem = '1MB' return 2;`;
  await project.write(
    "20260101010000_functions.sql",
    migration(functions, "drop function plain();\ndrop function standard();"),
  );
  assertEquals((await project.run("up")).code, 0);
  await putIntoCatalog(project.db, "made_up=1");
  await project.db.script(`
    update pg_proc set proconfig = proconfig || '{unheard_of=1}'
    where proname in ('plain', 'standard') and pronamespace = 'public'::regnamespace`);
  const sides = ["--from", "database", "--to", "migrations", "--stdout"];
  const equal = await project.run("diff", "x", ...sides);
  assertEquals([equal.code, equal.stdout], [0, ""], equal.stderr);
  assertMatch(equal.stderr, /does not know, .*: made_up, unheard_of; SCRATCH_DATABASE_URL names/);
  assertStringIncludes(equal.stderr, "nothing to do");

  await project.db.script("alter table notes drop column body");
  const drafted = await project.run("diff", "x", ...sides);
  assertEquals(drafted.code, 0, drafted.stderr);
  assertMatch(drafted.stdout, /^alter table notes add column body text;$/m);

  const drift = await project.run("drift");
  assertEquals(drift.code, 1);
  assertStringIncludes(drift.stdout, "made_up=1");

  await project.write(
    "20260102000000_more.sql",
    migration("create table more (id bigint)\nwith (made_up = 1);", "drop table more;"),
  );
  const { code, stdout, stderr } = await project.run("check");
  assertEquals(code, 1);
  assertMatch(stdout + stderr, /20260102000000_more\.sql:\d+: .*"made_up".*SCRATCH_DATABASE_URL/);
});

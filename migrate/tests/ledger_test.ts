import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { sql } from "../../postgres/mod.ts";
import { readApplied, readLedger } from "../apply/ledger.ts";
import { migration, runDb } from "../../tests/support/command.ts";
import { createProject } from "../../tests/support/project.ts";

const a = migration("create table a ();", "drop table a;");
const b = migration("create table b ();", "drop table b;");
const c = migration("create table c ();", "drop table c;");

Deno.test("H4: an applied file that was edited goes unnoticed by dbmate; up, down and status name the line", async () => {
  const edited = migration("create table a ();\ncreate table more ();", "drop table a;");
  await using alone = await createProject({ "001_a.sql": a });
  await alone.dbmate("migrate");
  await alone.write("001_a.sql", edited);
  assertEquals((await alone.dbmate("migrate")).code, 0);

  await using project = await createProject({ "001_a.sql": a });
  assertEquals((await project.run("up")).code, 0);
  await project.write("001_a.sql", edited);
  await project.write("002_b.sql", b);
  const status = await project.run("status");
  assertEquals([status.code, status.stdout.split(" ")[0]], [1, "edited"]);
  for (const command of ["up", "status"]) {
    const { code, stderr } = await project.run(command);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "001_a.sql:3: was edited after it was applied");
    assertStringIncludes(stderr, "deno task db show 001 --applied > ");
  }
  assertEquals(await readApplied(project.db), ["001"]);

  const down = await project.run("down");
  assertEquals(down.code, 1);
  assertStringIncludes(down.stderr, "--from-ledger");
  assertEquals((await project.run("down", "--from-ledger")).code, 0);
  assertEquals(await readApplied(project.db), []);
});

Deno.test("H4: the remedies work: the old text is written back, or a corrected comment is accepted", async () => {
  await using project = await createProject({ "001_a.sql": a });
  await project.run("up");
  await project.write("001_a.sql", a.replace("create table a ();", "create table a (b int);"));
  assertEquals((await project.run("stamp", "001")).code, 1);
  const { stdout } = await project.run("show", "001", "--applied");
  assertEquals(stdout, a);
  await project.write("001_a.sql", stdout);
  assertEquals((await project.run("status")).code, 0);

  await project.write("001_a.sql", `-- Why: a better comment\n${a}`);
  assertEquals((await project.run("up")).code, 1);
  const stamp = await project.run("stamp", "001");
  assertEquals([stamp.code, stamp.stdout], [0, "recorded 001_a.sql\n"], stamp.stderr);
  assertEquals((await project.run("up")).code, 0);
});

Deno.test("H5: with the newest file gone dbmate reverts another migration; down refuses", async () => {
  const files = { "001_a.sql": a, "002_b.sql": b };
  await using alone = await createProject(files);
  await alone.dbmate("migrate");
  await Deno.remove(`${alone.dir}/002_b.sql`);
  assertEquals((await alone.dbmate("rollback")).code, 0);
  assertEquals(await readApplied(alone.db), ["002"]);

  await using project = await createProject(files);
  await project.run("up");
  await Deno.remove(`${project.dir}/002_b.sql`);
  const { code, stderr } = await project.run("down");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "002_b.sql: is applied, and its file is gone");
  assertEquals(await readApplied(project.db), ["001", "002"]);
  const status = await project.run("status");
  assertEquals(status.code, 1);
  assertStringIncludes(status.stdout, "missing  002_b");
});

Deno.test("H5: a gap among the files stops up, until the ledger gives the file back", async () => {
  await using project = await createProject({ "001_a.sql": a, "002_b.sql": b });
  await project.run("up");
  await Deno.remove(`${project.dir}/001_a.sql`);
  await project.write("003_c.sql", c);
  const { code, stderr } = await project.run("up");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "001_a.sql: is applied, and its file is gone");
  await project.write("001_a.sql", (await project.run("show", "001", "--applied")).stdout);
  assertEquals((await project.run("up")).code, 0);
});

Deno.test("an older release finds a newer schema: its up has nothing to do, and its down can revert from the ledger", async () => {
  await using project = await createProject({ "001_a.sql": a, "002_b.sql": b });
  await project.run("up");
  await Deno.remove(`${project.dir}/002_b.sql`);
  const up = await project.run("up");
  assertEquals([up.code, up.stderr], [0, "nothing is pending\n"]);
  const down = await project.run("down", "--from-ledger");
  assertEquals([down.code, down.stdout.slice(0, 18)], [0, "reverted 002_b.sql"], down.stderr);
  assertEquals(await project.db.query(sql`select to_regclass('b') as b`), [{ b: null }]);
});

Deno.test("H17: dbmate applies an older number after a newer one in silence; up wants a word", async () => {
  await using alone = await createProject({ "002_b.sql": b });
  await alone.dbmate("migrate");
  await alone.write("001_a.sql", a);
  assertEquals((await alone.dbmate("migrate")).code, 0);

  await using project = await createProject({ "002_b.sql": b });
  await project.run("up");
  await project.write("001_a.sql", a);
  const { code, stderr } = await project.run("up");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "001_a.sql: has an older number than what is applied already");
  assertEquals(await readApplied(project.db), ["002"]);
  assertEquals((await project.run("status")).code, 1);
  assertEquals((await project.run("up", "--out-of-order")).code, 0);
  assertEquals((await project.run("status")).code, 0);
});

Deno.test("the ledger keeps who, when, which content and with what outcome; history shows it, the newest first", async () => {
  await using project = await createProject({
    "001_a.sql": a,
    "002_b.sql": migration("select 1 / 0;"),
  });
  assertEquals((await project.run("up")).code, 1);
  await project.write("002_b.sql", b);
  await project.run("up");
  await project.run("down");
  const entries = await readLedger(project.db);
  assertEquals(entries.map(({ version, action, outcome }) => [version, action, outcome]), [
    ["001", "up", "done"],
    ["002", "up", "failed"],
    ["002", "up", "done"],
    ["002", "down", "done"],
  ]);
  assertEquals([entries[0]!.content, entries[0]!.role], [a, project.settings.user]);
  const history = JSON.parse((await project.run("history", "--json")).stdout);
  assertEquals(history.map(({ action }: { action: string }) => action), [
    "down",
    "up",
    "up",
    "up",
  ]);
  const lines = (await project.run("history")).stdout.split("\n");
  assertStringIncludes(lines[0]!, "down  002_b");
  assertStringIncludes(lines[2]!, "failed");
});

Deno.test("a down that fails leaves the record of who applied it; its correction is stamped, then it runs", async () => {
  const faulty = migration("create table b ();", "drop table c;");
  await using project = await createProject({ "001_a.sql": a, "002_b.sql": faulty });
  await project.run("up");
  const before = (await project.run("status")).stdout;
  for (const args of [["down"], ["down", "--from-ledger"], ["redo"]]) {
    const { code, stderr } = await project.run(...args);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "correct it, accept that by `deno task db stamp 002` and run");
  }
  assertEquals((await project.run("status")).stdout, before);
  assertEquals((await project.run("up")).stderr, "nothing is pending\n");
  const history = JSON.parse((await project.run("history", "--json")).stdout);
  assertEquals(
    history.map(({ action, outcome }: Record<string, string>) => [action, outcome]),
    [["down", "failed"], ["down", "failed"], ["down", "failed"], ["up", "done"], ["up", "done"]],
  );

  await project.write("002_b.sql", b);
  assertStringIncludes((await project.run("status")).stdout, "edited");
  assertEquals((await project.run("stamp", "002")).code, 0);
  assertEquals((await project.run("down")).code, 0);
  assertEquals(await readApplied(project.db), ["001"]);
});

Deno.test("dbmate by hand keeps working beside the ledger: status says so, and the next up takes it over", async () => {
  await using project = await createProject({ "001_a.sql": a, "002_b.sql": b });
  await project.run("up", "+1");
  assertEquals((await project.dbmate("migrate")).code, 0);
  const status = await project.run("status");
  assertEquals(status.code, 0);
  assertStringIncludes(status.stdout, "applied  002_b  by dbmate itself");
  assertStringIncludes((await project.run("history")).stdout.split("\n")[0]!, "dbmate  002_b");
  assertEquals((await project.run("up")).code, 0);
  assertEquals((await readLedger(project.db)).at(-1)!.action, "adopt");

  // And back: dbmate reverts what the command applied.
  assertEquals((await project.dbmate("rollback")).code, 0);
  assertStringIncludes((await project.run("status")).stdout, "pending  002_b");
  assertEquals((await project.run("up")).code, 0);
  assertStringIncludes((await project.run("status")).stdout, "applied  002_b  20");
});

Deno.test("stamp adopts a database that has the schema, and records nothing where one column differs", async () => {
  const files = {
    "001_a.sql": migration("create table a (b int);", "drop table a;"),
    "002_b.sql": migration("alter table a add column c text;", "alter table a drop column c;"),
    "003_c.sql": c,
  };
  await using project = await createProject(files);
  await project.db.script("create table a (b int, c varchar)");
  const refused = await project.run("stamp", "002");
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stdout, "column public.a.c");
  assertEquals(await readApplied(project.db), []);

  await project.db.script("alter table a alter column c type text");
  const stamped = await project.run("stamp", "002");
  assertEquals(stamped.code, 0, stamped.stderr);
  assertEquals(await readApplied(project.db), ["001", "002"]);
  assertEquals((await project.run("up")).code, 0);
  assertEquals(await readApplied(project.db), ["001", "002", "003"]);
});

Deno.test("after a squash, a database that has all that the baseline replaces goes on, and one that has not is told so", async () => {
  await using full = await createProject({ "001_a.sql": a, "002_b.sql": b });
  await using part = await createProject({ "001_a.sql": a, "002_b.sql": b });
  assertEquals((await full.run("up")).code, 0);
  assertEquals((await part.run("up", "001")).code, 0);
  for (const project of [full, part]) {
    const squash = await project.run("squash", "002");
    assertEquals(squash.code, 0, squash.stderr);
    await project.write("003_c.sql", c);
  }
  assertStringIncludes(
    (await full.run("status")).stdout,
    "applied  002_baseline  as what it replaces\n",
  );
  const up = await full.run("up");
  assertEquals(up.code, 0, up.stderr);
  assertEquals((await full.run("status")).code, 0);

  const refused = await part.run("up");
  assertEquals(refused.code, 1);
  assertStringIncludes(
    refused.stderr,
    "is replaced by 002_baseline.sql, and this database has not",
  );
  assertEquals(await readApplied(part.db), ["001"]);
});

Deno.test("another table for dbmate's records is the one that is read and written", async () => {
  await using project = await createProject({ "001_a.sql": a });
  const place = {
    settings: project.settings,
    folder: join(project.dir, ".."),
    env: { DBMATE_MIGRATIONS_TABLE: "other" },
  };
  const { code, stderr } = await runDb(["up"], place);
  assertEquals(code, 0, stderr);
  assertEquals(await project.db.query(sql`select version from other`), [{ version: "001" }]);
  assertEquals((await runDb(["up"], place)).stderr, "nothing is pending\n");

  await using made = await createProject({ "001_a.sql": a });
  await made.db.script("create table a ()");
  const stamped = await runDb(["stamp", "001"], {
    settings: made.settings,
    folder: join(made.dir, ".."),
    env: { DBMATE_MIGRATIONS_TABLE: "meta.other" },
  });
  assertEquals(stamped.code, 0, stamped.stdout + stamped.stderr);
  assertEquals(await made.db.query(sql`select version from meta.other`), [{ version: "001" }]);
});

Deno.test("the first schema of the URL's search_path has both tables from the first run on, as for dbmate", async () => {
  await using project = await createProject({ "001_a.sql": a });
  await project.db.script("create schema other");
  // Another project of the same database, whose records are not ours.
  await project.db.script("create table schema_migrations (version varchar primary key)");
  await project.db.script("insert into schema_migrations values ('001'), ('007')");
  const settings = { ...project.settings, searchPath: "tenant, other, public" };
  const place = { settings, folder: join(project.dir, "..") };
  assertEquals((await runDb(["status"], place)).stdout, "pending  001_a\n");
  const first = await runDb(["up"], place);
  assertEquals([first.code, first.stdout.split(" in ")[0]], [0, "applied 001_a.sql"], first.stderr);
  const live = ["diff", "live", "--from", "migrations", "--to", "database"];
  const equal = await runDb(live, place);
  assertEquals(equal.code, 0, equal.stderr);
  await project.write("001_a.sql", migration("create table a (edited int);", "drop table a;"));
  await project.write("002_b.sql", b);
  const second = await runDb(["up"], place);
  assertStringIncludes(second.stderr, "001_a.sql:2: was edited after it was applied");
  assertEquals(
    await project.db.query(sql`
      select schemaname || '.' || tablename as name from pg_tables
      where schemaname in ('public', 'tenant') order by 1`),
    ["public.schema_migrations", "tenant.a", "tenant.migration_ledger", "tenant.schema_migrations"]
      .map((name) => ({ name })),
  );
});

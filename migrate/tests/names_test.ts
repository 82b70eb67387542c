import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { readApplied } from "../apply/ledger.ts";
import { migration, runDb } from "../../tests/support/command.ts";
import { createProject } from "../../tests/support/project.ts";

Deno.test("H6: of two files with one number dbmate runs the first, fails on the second and then calls both applied; up runs none", async () => {
  const files = {
    "001_a.sql": migration("create table a ();"),
    "001_b.sql": migration("create table b ();"),
  };
  await using alone = await createProject(files);
  await alone.dbmate("migrate");
  const { code, stdout } = await alone.dbmate("status");
  assertEquals(code, 0);
  assertStringIncludes(stdout, "[X] 001_b.sql");

  await using project = await createProject(files);
  const result = await project.run("up");
  assertEquals(result.code, 1);
  assertStringIncludes(
    result.stderr,
    `${project.dir}/001_b.sql: has the same number as 001_a.sql`,
  );
  assertEquals(await readApplied(project.db), []);
});

Deno.test("H7: dbmate sorts 10 before 9; up says which number is too short", async () => {
  const files = {
    "9_a.sql": migration("create table a ();"),
    "10_b.sql": migration("alter table a add column b int;"),
  };
  await using alone = await createProject(files);
  assertStringIncludes((await alone.dbmate("migrate")).stderr, 'relation "a" does not exist');

  await using project = await createProject(files);
  const result = await project.run("up");
  assertEquals(result.code, 1);
  assertStringIncludes(result.stderr, "9_a.sql: sorts after 10_b.sql");
  assertStringIncludes(result.stderr, "give all numbers the same length");
});

Deno.test("H8: dbmate passes over v3_x.sql, .SQL and sub-directories in silence; up names each", async () => {
  const files = {
    "001_a.sql": migration("create table a ();"),
    "002_b.SQL": migration("create table b ();"),
    "v3_c.sql": migration("create table c ();"),
  };
  await using alone = await createProject(files);
  await Deno.mkdir(join(alone.dir, "later"));
  const applied = await alone.dbmate("migrate");
  assertEquals(applied.code, 0);
  assertEquals(await readApplied(alone.db), ["001"]);

  const result = await alone.run("up");
  assertEquals(result.code, 1);
  for (const name of ["002_b.SQL", "v3_c.sql", "later"]) {
    assertStringIncludes(result.stderr, `${alone.dir}/${name}: dbmate`);
  }
});

Deno.test("a name with spaces or quotes is refused with a remedy, and a README beside the files is not", async () => {
  await using project = await createProject({
    "001_a.sql": migration("create table a ();"),
    '002_it\'s "b".sql': migration("create table b ();"),
    "README.md": "how to",
  });
  const result = await project.run("up");
  assertEquals(result.code, 1);
  assertStringIncludes(result.stderr, "use letters, digits and underscores");
  assertEquals(result.stderr.includes("README"), false);
  assertEquals(await readApplied(project.db), []);
});

Deno.test("new: takes a sentence for a name, two in one second get two numbers, and up applies the file once it is written", async () => {
  await using project = await createProject();
  const first = await project.run("new", "Add  students-email");
  const second = await project.run("new", "add_more");
  assertEquals([first.code, second.code], [0, 0]);
  const path = first.stdout.trim();
  assertEquals(/\/\d{14}_add_students_email\.sql$/.test(path), true);

  // As it stands, the template is refused: nobody applies what nobody wrote.
  const empty = await project.run("up");
  assertEquals(empty.code, 1);
  assertStringIncludes(empty.stderr, "the up block has no statement");
  await Deno.writeTextFile(path, migration("create table a ();", "drop table a;"));
  await Deno.writeTextFile(second.stdout.trim(), migration("create table b ();"));
  assertEquals((await project.run("up")).code, 0);
  assertEquals((await readApplied(project.db)).length, 2);
});

Deno.test("new: a name that makes no file name is wrong use", async () => {
  await using project = await createProject();
  for (const name of ["../escape", "é", "9lives", "a;b", ""]) {
    assertEquals((await project.run("new", name)).code, 2, name);
  }
});

Deno.test("new --edit opens the file in EDITOR, and without one writes nothing", async () => {
  await using project = await createProject();
  const place = { settings: project.settings, folder: join(project.dir, "..") };
  const env = { VISUAL: "" };
  const none = await runDb(["new", "a", "--edit"], { ...place, env: { ...env, EDITOR: "" } });
  assertEquals([none.code, [...Deno.readDirSync(project.dir)].length], [2, 0]);
  // The editor's own first argument, and then the path: it counts the lines with a directive.
  const { code, stdout } = await runDb(["new", "a", "--edit"], {
    ...place,
    env: { ...env, EDITOR: "grep -c migrate:" },
  });
  assertEquals([code, stdout.split("\n").at(-2)], [0, "2"]);
});

import { parse } from "../files/migrations.ts";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { readApplied } from "../apply/ledger.ts";
import { migration } from "../../tests/support/command.ts";
import { createProject, type Project } from "../../tests/support/project.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** That up refuses the file with these words, and that nothing was applied, not even the file before it. */
async function refuses(project: Project, place: string, words: string) {
  const { code, stderr } = await project.run("up");
  assertEquals(code, 1, stderr);
  assertStringIncludes(stderr, `${project.dir}/${place}: `);
  assertStringIncludes(stderr, words);
  assertEquals(await readApplied(project.db), []);
}

const first = { "001_a.sql": migration("create table a ();") };

Deno.test("H9: dbmate stops half-way at a byte-order mark; up names it before anything runs", async () => {
  const files = { ...first, "002_b.sql": "\ufeff" + migration("create table b ();") };
  await using alone = await createProject(files);
  assertEquals((await alone.dbmate("migrate")).code, 2);
  assertEquals(await readApplied(alone.db), ["001"]);

  await using project = await createProject(files);
  await refuses(project, "002_b.sql:1", "byte-order mark");
});

for (
  const [label, directive] of [
    ["an indented", "  -- migrate:down"],
    ["an upper-case", "-- MIGRATE:DOWN"],
  ] as const
) {
  Deno.test(`H9: with ${label} directive dbmate stops half-way; up names the line`, async () => {
    const text = `-- migrate:up\ncreate table b ();\n${directive}\ndrop table b;\n`;
    await using alone = await createProject({ ...first, "002_b.sql": text });
    assertEquals((await alone.dbmate("migrate")).code, 2);
    assertEquals(await readApplied(alone.db), ["001"]);

    await using project = await createProject({ ...first, "002_b.sql": text });
    await refuses(project, "002_b.sql:3", "dbmate does not see this directive");
  });
}

Deno.test("H10: of two pairs of blocks dbmate commits one and fails on the other; up names the second", async () => {
  const text = migration("create table b ();", "drop table b;") +
    migration("create table c ();", "drop table c;");
  await using alone = await createProject({ "002_b.sql": text });
  assertEquals((await alone.dbmate("migrate")).code, 2);
  assertEquals(await readApplied(alone.db), ["002"]);

  await using project = await createProject({ "002_b.sql": text });
  await refuses(project, "002_b.sql:6", "another up block");
});

Deno.test("H10: a second up block before the down is named", async () => {
  await using project = await createProject({
    "002_b.sql": "-- migrate:up\nselect 1;\n-- migrate:up\nselect 2;\n-- migrate:down\nselect 3;\n",
  });
  await refuses(project, "002_b.sql:3", "a second up block");
});

Deno.test("H11: dbmate ignores `transaction: false`; up names the option", async () => {
  const text = migration("create table b ();", "drop table b;", " transaction: false");
  await using alone = await createProject({ "002_b.sql": text });
  assertEquals((await alone.dbmate("migrate")).code, 0);

  await using project = await createProject({ "002_b.sql": text });
  await refuses(project, "002_b.sql:1", "the option transaction: and ignores it");
});

Deno.test("a missing block, and a statement before the first one, are named", async () => {
  await using no = await createProject({ "001_a.sql": "-- migrate:up\nselect 1;\n" });
  await refuses(no, "001_a.sql", "has no down block");
  await using none = await createProject({ "001_a.sql": "create table a ();\n" });
  await refuses(none, "001_a.sql", "has no up block");
  await using early = await createProject({
    "001_a.sql": "-- why\ncreate table a ();\n" + migration("select 1;"),
  });
  await refuses(early, "001_a.sql:2", "a statement before the up block");
});

const twoLines = migration(
  "create function a() returns int language sql as $$\nselect 1\n$$;",
  "drop function a;",
);

async function bodyOf({ db }: Project): Promise<string> {
  const [row] = await db.query<{ prosrc: string }>(sql`
    select prosrc from pg_proc where oid = to_regproc('a')
  `);
  return row!.prosrc;
}

Deno.test("H26: dbmate writes Windows line ends into the schema; up builds the same from any checkout, without drift", async () => {
  const windows = { "001_a.sql": twoLines.replaceAll("\n", "\r\n") };
  await using alone = await createProject(windows);
  assertEquals((await alone.dbmate("migrate")).code, 0);
  assertEquals(await bodyOf(alone), "\r\nselect 1\r\n");
  // They make no other schema, and nobody could see the difference in a line of a message.
  const drift = await alone.run("drift");
  assertEquals([drift.code, drift.stdout], [0, ""], drift.stderr);

  await using project = await createProject(windows);
  assertEquals((await project.run("up")).code, 0);
  assertEquals(await bodyOf(project), "\nselect 1\n");
  await project.write("001_a.sql", twoLines);
  for (const command of ["status", "drift"]) {
    const { code, stderr } = await project.run(command);
    assertEquals([code, command], [0, command], stderr);
  }
});

Deno.test("H26: a checkout with Windows line ends is not an edited one, and an edit among them is; dbmate takes both for nothing", async () => {
  const text = migration("create table a ();\n-- a comment", "drop table a;");
  await using project = await createProject({ "001_a.sql": text });
  assertEquals((await project.run("up")).code, 0);
  await project.write("001_a.sql", text.replaceAll("\n", "\r\n"));
  const { code, stdout } = await project.run("status");
  assertEquals([code, stdout.split(" ")[0]], [0, "applied"]);
  assertEquals((await project.dbmate("status", "--exit-code")).code, 0);

  await project.write("001_a.sql", text.replace("a ()", "a (b int)").replaceAll("\n", "\r\n"));
  assertEquals((await project.dbmate("status", "--exit-code")).code, 0);
  const edited = await project.run("status");
  assertEquals([edited.code, edited.stdout.split(" ")[0]], [1, "edited"]);

  await project.write("001_a.sql", text.replaceAll("\n", "\r\n"));
  assertEquals((await project.run("down")).code, 0);
});

Deno.test("dbmate hands Latin-1 to the server and stops half-way; up names the line before anything runs", async () => {
  const text = new Uint8Array([...bytes(migration("select 1;\n-- caf")), 0xe9, 10]);
  const bad = new Uint8Array([
    ...bytes("-- migrate:up\nselect '"),
    0xe9,
    ...bytes("';\n-- migrate:down\nselect 1;\n"),
  ]);
  await using alone = await createProject({ ...first, "002_b.sql": bad });
  assertEquals((await alone.dbmate("migrate")).code, 2);
  assertEquals(await readApplied(alone.db), ["001"]);

  await using project = await createProject({ ...first, "002_b.sql": bad });
  await refuses(project, "002_b.sql:2", "is not UTF-8");
  await using comment = await createProject({ ...first, "002_b.sql": text });
  await refuses(comment, "002_b.sql:7", "is not UTF-8");
});

Deno.test("a NUL byte is named with its line", async () => {
  await using project = await createProject({ "001_a.sql": migration("select '\0';") });
  await refuses(project, "001_a.sql:2", "NUL");
});

Deno.test("a migration of 10 MB is refused with a better way, before anything runs", async () => {
  const rows = `insert into a values (1);\n`.repeat(10 * 1024 * 1024 / 26);
  await using project = await createProject({ ...first, "002_b.sql": migration(rows) });
  await refuses(project, "002_b.sql", "MiB, and a migration may have 8");
});

Deno.test("what stands in a string, a comment in a comment or a sentence is no directive; an indented up is told once", () => {
  const rules = (text: string) =>
    parse("1_a.sql", new TextEncoder().encode(text)).findings.map(({ rule, line }) => [rule, line]);
  const quiet = `-- migrate:up
/* -- /* nested */
 -- Migrate:down
*/
 -- migration: up to three of them, migrate down the tree
select ' it''s
 -- MIGRATE:DOWN', E'\\'
 -- migrate: down', $x$
 -- migrate:down
$x$, "
 -- migrate:up";
`;
  assertEquals(rules(`${quiet}-- migrate:down\nselect 1;\n`), []);
  assertEquals(rules(`${quiet} -- migrate:down transaction:false\nselect 1;\n`), [
    ["directive", 12],
  ]);
  assertEquals(rules(" -- migrate:up\nselect 1;\n-- migrate:down\n"), [["missing-up", 1]]);
});

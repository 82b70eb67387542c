import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { migration, runDb } from "../../tests/support/command.ts";
import { createDatabase } from "../../tests/support/database.ts";
import { createProject } from "../../tests/support/project.ts";
import { createForeign, named } from "./support.ts";

Deno.test("deno task db alone prints the overview, and every command in it explains itself with an example", async () => {
  const overview = await runDb([]);
  assertEquals([overview.code, overview.stderr], [0, ""]);
  const names = [...overview.stdout.matchAll(/^ {2}(\w+) {2}/gm)].map(([, name]) => name!);
  for (
    const name of ["new", "up", "down", "redo", "status", "history", "show", "stamp", "branch"]
  ) {
    assertStringIncludes(names.join(" "), name);
  }
  const helps = await Promise.all(names.map((name) => runDb([name, "--help"])));
  for (const [i, help] of helps.entries()) {
    assertEquals([help.code, help.stderr], [0, ""]);
    assertMatch(help.stdout, new RegExp(`^Usage: deno task db ${names[i]}\\b`));
    assertMatch(help.stdout, new RegExp(`Example\\n +.*deno task db ${names[i]}\\b`));
  }
});

Deno.test("wrong use exits 2 with the nearest name: commands, options, values, arguments, targets", async () => {
  await using project = await createProject({ "001_a.sql": migration("create table a ();") });
  for (
    const [args, words] of [
      [["upp"], "unknown command upp: did you mean up?"],
      [["zzzzzzzz"], "unknown command zzzzzzzz; `deno task db`"],
      [["up", "--wiat"], "unknown option --wiat: did you mean --wait?"],
      [["up", "--wait=yes"], "--wait takes no value"],
      [["upgrade"], "unknown command upgrade: did you mean up?"],
      [["migrate"], "unknown command migrate: did you mean diff, or up?"],
      [["downgrade", "-1"], "unknown command downgrade: did you mean down?"],
      [["revision"], "unknown command revision: did you mean new, or diff?"],
      [["up", "--timeout"], "--timeout needs a value"],
      [["up", "--timeout", "soon"], '--timeout is "soon": it must be a whole number'],
      [["up", "001", "002"], "too many arguments"],
      [["show"], "too few arguments"],
      [["up", "002"], "there is no migration 002: did you mean 001?"],
      [["up", "--from", "001"], "--from goes with --sql"],
      [["down", "001", "-n", "1"], "give a target or -n, not both"],
    ] as const
  ) {
    const { code, stderr } = await project.run(...args);
    assertEquals([code, args, stderr.includes(words)], [2, args, true], stderr);
    assertEquals(/^ {4}at /m.test(stderr), false, stderr);
  }
});

Deno.test("a folder that is not there is wrong use, and an empty one has nothing to do", async () => {
  await using project = await createProject();
  const empty = await project.run("up");
  assertEquals([empty.code, empty.stderr], [0, "nothing is pending\n"]);
  await Deno.remove(project.dir);
  const none = await project.run("up");
  assertEquals(none.code, 2);
  assertStringIncludes(none.stderr, "is not there: `deno task db new <name>` makes it");
});

Deno.test("nothing but the results goes to standard output, and a pipe sees no colours and no progress", async () => {
  await using project = await createProject({
    "001_a.sql": migration("create table a ();", "drop table a;"),
  });
  const status = await project.run("status", "--json");
  assertEquals(JSON.parse(status.stdout).migrations[0].state, "pending");
  const up = await project.run("up");
  assertMatch(up.stdout, /^applied 001_a\.sql in \d+ ms\n$|^applied 001_a\.sql in [\d.]+ s\n$/);
  assertEquals(up.stderr, "");
  const faulty = await project.run("up", "nowhere");
  assertEquals(faulty.stdout, "");
});

Deno.test("status --pending exits 2 while something is pending, and 0 when nothing is", async () => {
  await using project = await createProject({
    "001_a.sql": migration("create table a ();", "drop table a;"),
  });
  assertEquals((await project.run("status", "--pending")).code, 2);
  assertEquals((await project.run("status")).code, 0);
  await project.run("up");
  assertEquals((await project.run("status", "--pending")).code, 0);
  const { migrations: [row] } = JSON.parse((await project.run("status", "--json")).stdout);
  assertEquals([row.version, row.name, row.state, row.by_hand], ["001", "a", "applied", false]);
  assertMatch(row.applied_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
});

Deno.test("status: a migration has its file's name, and a warning is called one, by up --sql as well", async () => {
  await using database = await createDatabase({ empty: true });
  await using project = await createForeign({ "001-a.sql": migration("create table a ();", "") });
  const { code, stdout, stderr } = await project.run(["status"], named(database.settings));
  assertEquals([code, stdout], [0, "pending  001-a\n"], stderr);
  const warning = /^warning: .*001-a\.sql:\d+: .* \[empty-down\]/;
  assertMatch(stderr, warning);
  const script = await project.run(["up", "--sql"], named(database.settings));
  assertMatch(script.stderr, warning);
});

Deno.test("up --sql refuses no more than up: neither a fault of a down alone, nor an older release on a newer schema", async () => {
  await using database = await createDatabase({ empty: true });
  const at = named(database.settings);
  await using project = await createForeign({
    "001_a.sql": migration("create table a ();", "commit; drop table a;"),
  });
  const first = await project.run(["up", "--sql"], at);
  assertEquals(first.code, 0, first.stderr);
  assertMatch(first.stderr, /^warning: .*001_a\.sql:5: .* \[transaction-control\]/);
  assertEquals((await project.run(["up"], at)).code, 0);
  await database.db.script("insert into schema_migrations values ('002')");
  const older = await project.run(["up", "--sql"], at);
  assertEquals([older.code, older.stderr], [0, ""]);
  assertEquals((await project.run(["up"], at)).code, 0);
});

Deno.test("a script is what up and down would do: out of order where that is accepted, and not by an edited file", async () => {
  await using database = await createDatabase({ empty: true });
  const at = named(database.settings);
  await using project = await createForeign({
    "002_b.sql": migration("create table b ();", "drop table b;"),
  });
  assertEquals((await project.run(["up"], at)).code, 0);
  await project.write("db/migrations/001_a.sql", migration("create table a ();", "drop table a;"));
  assertEquals((await project.run(["up", "--sql"], at)).code, 1);
  const script = await project.run(["up", "--sql", "--out-of-order"], at);
  assertEquals(script.code, 0, script.stderr);
  await database.db.script(script.stdout);
  assertEquals((await project.run(["status"], at)).code, 0);

  await project.write("db/migrations/002_b.sql", migration("create table b ();", "drop table c;"));
  for (const down of [["down"], ["down", "--sql"]]) {
    const { code, stdout, stderr } = await project.run(down, at);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, /002_b\.sql:5: was edited .*\n`--from-ledger` reverts by what/);
  }
  const recorded = await project.run(["down", "--sql", "--from-ledger"], at);
  await database.db.script(recorded.stdout);
  assertMatch((await project.run(["status"], at)).stdout, /^applied +001_a .*\npending +002_b\n$/);
});

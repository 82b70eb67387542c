import { assertEquals, assertMatch } from "@std/assert";
import { migration } from "../../tests/support/command.ts";
import { createDatabase } from "../../tests/support/database.ts";
import { createProject } from "../../tests/support/project.ts";
import { createForeign, findings, named } from "./support.ts";

const table = (name: string) => migration(`create table ${name} (id int);`, `drop table ${name};`);

Deno.test("check: what a migration leaves to its session, or says before its first query, is no finding", async () => {
  await using project = await createForeign({
    "1_serializable.sql": migration(
      "set local lock_timeout = '5s';\nset transaction isolation level serializable;\n" +
        "create table a (id int);",
      "set transaction isolation level serializable;\ndrop table a;",
    ),
    "2_prepared.sql": migration(
      'prepare "p P" as select 1;\nexecute "p P";\ncreate table b (id int);',
      'prepare "p P" as select 1;\ndrop table b;',
    ),
    "3_cursor.sql": migration(
      "declare c cursor with hold for select 1;\ncreate table c (id int);",
      "drop table c;",
    ),
  });
  const { code, stderr } = await project.run(["check"]);
  assertEquals(code, 0, stderr);
});

Deno.test("check: what fails at the end of a transaction is said once", async () => {
  await using project = await createForeign({
    "1_a.sql": migration(
      "create table a (id int primary key, p int references a deferrable initially deferred);\n" +
        "insert into a values (1, 2);",
      "drop table a;",
    ),
  });
  const [found, ...more] = findings(await project.run(["check"]));
  assertMatch(
    found!,
    /1_a\.sql:1: up fails: .*a_p_fkey.* \[up-fails\]; give the rows what they need/,
  );
  assertEquals(more, []);
});

Deno.test("check: two files with one number, and one that records another, are proven all the same (H6)", async () => {
  await using project = await createForeign({
    "1_a.sql": table("a"),
    "1_b.sql": table("b"),
    "2_c.sql": migration(
      "insert into schema_migrations values ('3');",
      "delete from schema_migrations where version = '3';",
    ),
    "3_d.sql": table("d"),
  });
  const [found, ...more] = findings(await project.run(["check"]));
  assertMatch(found!, /1_b\.sql: has the same number as 1_a\.sql/);
  assertEquals(more, []);
});

Deno.test("up and down say no migration to be done that dbmate passes over, because another one has recorded it", async () => {
  await using project = await createProject({
    "1_a.sql": migration("insert into schema_migrations values ('2');", "select 1;"),
    "2_b.sql": table("b"),
  });
  const up = await project.run("up");
  assertEquals([up.code, up.stdout.match(/^applied .*\.sql/gm)], [1, ["applied 1_a.sql"]]);
  assertMatch(up.stderr, /2_b\.sql is recorded since this run began.*not applied now/);
  await project.db.script("create table b (id int)");
  await project.write(
    "3_c.sql",
    migration("select 1;", "delete from schema_migrations where version = '2';"),
  );
  assertEquals((await project.run("up")).code, 0);
  const down = await project.run("down", "-2");
  assertEquals([down.code, down.stdout.match(/^reverted .*\.sql/gm)], [1, ["reverted 3_c.sql"]]);
  assertMatch(down.stderr, /2_b\.sql is not any more recorded since.*not reverted now/);
});

Deno.test("a text that does not end is named in one line", async () => {
  await using project = await createForeign({
    "1_a.sql": migration("create table a (b text default 'x);\n\ncomment on table a is '", ""),
    "2_b.sql": migration("create table b (c text default 'x);", "drop table b;"),
  });
  const { stderr } = await project.run(["check"]);
  assertMatch(
    stderr,
    /^\S*2_b\.sql:2: unterminated quoted string at or near "'x\); \.\.\." \[syntax\]; /m,
  );
});

Deno.test("adopt: head is all that there is, whatever lengths the numbers have", async () => {
  await using database = await createDatabase({ empty: true });
  // dbmate runs 2_b.sql last.
  await using project = await createForeign({
    "1_a.sql": migration("create table a (id int);", ""),
    "20240101_c.sql": migration("create table c (id int);", ""),
    "2_b.sql": migration("create table b (id int);", ""),
  });
  assertEquals((await project.run(["adopt"])).code, 0);
  assertEquals(JSON.parse(await project.read("migrate.config.json")), { baseline: "20240101" });
  const check = await project.run(["check"]);
  assertMatch(check.stderr, /^no migration to judge, 3 up to the baseline are built/);
  assertEquals((await project.run(["up"], named(database.settings))).code, 0);
  assertEquals((await project.run(["drift"], named(database.settings))).code, 0);
});

Deno.test("H10: a second up behind the down stops up and its script, whatever the profile", async () => {
  await using database = await createDatabase({ empty: true });
  await using project = await createForeign({ "1_a.sql": table("a") + table("b") });
  for (const args of [["up"], ["up", "--sql"]]) {
    const { code, stdout, stderr } = await project.run(args, named(database.settings));
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, /^\S*1_a\.sql:6: another up block \[second-block\]/m);
  }
});

Deno.test("H9: a space that dbmate does not take for one makes no directive", async () => {
  await using project = await createProject({
    "1_a.sql": table("a").replace("migrate:up", "migrate:up\u00a0"),
  });
  const { code, stderr } = await project.run("up");
  assertEquals(code, 1);
  assertMatch(stderr, /1_a\.sql:1: dbmate does not see this directive \[missing-up\]/);
  assertMatch((await project.dbmate("up")).stderr, /requires each migration to define an up block/);
});

Deno.test("check: percent signs, dollars and quotes in names are names to the proof with rows", async () => {
  const name = `"a%s ""'$1%I"`;
  await using project = await createForeign({
    "1_a.sql": "-- down loses the table\n" + migration(
      `create table ${name} (${name} int, "%%" text);`,
      `drop table ${name};`,
    ),
    "2_b.sql": migration(
      `alter table ${name} add column "%1$s" int;`,
      `alter table ${name} drop column ${name};\nalter table ${name} drop column "%1$s";\n` +
        `alter table ${name} add column ${name} int;`,
    ),
  }, { rules: { "down-loses": "error", "down-leaves": "off" } });
  const found = findings(await project.run(["check"])).filter((line) => !/ban-drop/.test(line));
  assertMatch(found[0]!, /2_b\.sql:4: down loses .*a%s ""'\$1%I"/);
  assertEquals(found.length, 1, found.join("\n"));
});

Deno.test("check and drift: a migration may take another role, and change the database that it names", async () => {
  await using database = await createDatabase({ empty: true });
  const { db, settings } = database;
  const { database: own } = settings;
  const role = `odd_files_${own.slice(-8)}`;
  await db.script(`create role ${role}`);
  try {
    await using project = await createForeign({
      "1_a.sql": migration(
        `grant create on schema public to ${role};\nset local role ${role};\n` +
          "create table a (id int);\nreset role;",
        `drop table a;\nrevoke create on schema public from ${role};`,
      ),
      "2_database.sql": migration(
        `create table database (id int);\ncreate index on database (id);\n` +
          `grant connect, temporary on database ${own} to ${role};\n` +
          `comment on database "${own}" is 'alter database ${own}';\n` +
          `alter database ${own.toUpperCase()} set work_mem = '5MB';\n` +
          `create function f() returns text language sql as $$ select 'on database ${own}' $$;`,
        `drop function f();\nalter database ${own} reset work_mem;\n` +
          `revoke all on database ${own} from ${role};\ndrop table database;`,
      ),
    });
    for (const args of [["up"], ["drift"], ["check"], ["down"]]) {
      const { code, stdout, stderr } = await project.run(args, named(settings));
      assertEquals(code, 0, stdout + stderr);
    }
  } finally {
    await db.script(`drop owned by ${role} cascade; drop role ${role}`);
  }
});

Deno.test("check: what a down loses is told also where it leaves something behind (H25)", async () => {
  await using project = await createForeign({
    "1_a.sql": "-- down loses the table\n" +
      migration("create table a (b int, c text);", "drop table a;"),
    "2_b.sql": migration(
      "alter table a add column d int;",
      "alter table a drop column d, drop column b;\nalter table a add column b int;",
    ),
  }, { rules: { "down-loses": "error", "down-leaves": "off" } });
  const found = findings(await project.run(["check"]))
    .map((line) => /(2_b\.sql:\d+).* \[(.*?)\]/.exec(line)?.slice(1));
  assertEquals(found.filter(Boolean), [["2_b.sql:4", "down-loses"]]);
});

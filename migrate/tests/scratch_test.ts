/** What becomes of a scratch server that is not ours alone. */
import { assertEquals } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { connectPatiently, testServer } from "../../tests/support/database.ts";
import { until } from "../../tests/support/pool.ts";
import { migration } from "../../tests/support/command.ts";
import { root } from "../../tests/support/root.ts";
import { startProcess } from "../../tests/support/process.ts";
import { openScratch } from "../scratch.ts";
import { createForeign, findings } from "./support.ts";

const program = `
  import { openScratch } from "${root}/migrate/scratch.ts";
  const scratch = await openScratch();
  console.log("made", (await scratch.create()).database);
  setTimeout(() => {}, 600_000);`;

Deno.test("a run that was killed leaves its databases on the scratch server until the next run, one that lives keeps them", async () => {
  const start = async () => {
    const child = startProcess(["eval", program], {});
    const [, database] = await child.says(/made (scratch_\w+)/);
    return { child, database: database! };
  };
  const server = connectPatiently(testServer(), { session: true });
  const there = async (name: string) =>
    (await server.query(sql`select from pg_database where datname = ${name}`)).length === 1;
  const killed = await start();
  const alive = await start();
  await using _alive = alive.child;
  try {
    await using _killed = killed.child;
    killed.child.interrupt("SIGKILL");
    // The server has to notice it.
    await until(async () => {
      await using _next = await openScratch();
      return !await there(killed.database);
    });
    assertEquals(await there(alive.database), true);
  } finally {
    await server.close();
  }
});

Deno.test("check: a role of the migrations, and downs that leave something, are no obstacle to what follows", async () => {
  await using project = await createForeign({
    "1_role.sql": migration(
      "do $$ begin if not exists (select from pg_roles where rolname = 'guard_left') then create role guard_left; end if; end $$;\ncreate table a (b int);\ngrant select on a to guard_left;\ncomment on table a is 'first';",
      "drop table a;",
    ),
    "2_left.sql": migration("create table c ();", "select 1;"),
    "3_left.sql": migration("create table d ();", "select 1;"),
  });
  const check = await project.run(["check"]);
  assertEquals(findings(check).map((line) => /\[(.*?)\]/.exec(line)![1]), [
    "up-again-fails",
    "down-leaves",
    "up-again-fails",
    "down-leaves",
  ], check.stderr);
});

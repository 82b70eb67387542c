/** What becomes of a scratch server that is not ours alone. */
import { assertEquals } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { connectPatiently, testServer } from "../../tests/support/database.ts";
import { until } from "../../tests/support/pool.ts";
import { root } from "../../tests/support/root.ts";
import { startProcess } from "../../tests/support/process.ts";
import { openScratch } from "../scratch.ts";

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

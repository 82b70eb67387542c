import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { temporaryFolder } from "../embedded/watchdog.ts";
import { sql } from "../postgres/mod.ts";
import { createFolder, migration, runDb } from "./support/command.ts";
import { askForCommand, serveCommands } from "./support/command_hosts.ts";
import { createDatabase } from "./support/database.ts";
import { until } from "./support/pool.ts";

const hasSockets = Deno.build.os !== "windows";

Deno.test({
  name: "warm commands: one whose process ends says why, and the next one has another process",
  ignore: !hasSockets,
  async fn() {
    await using folder = await temporaryFolder("slate-commands-");
    const path = join(folder.path, "commands");
    await using _ = serveCommands(path);
    const env = Deno.env.toObject();
    const ask = (args: string[], environment: object | null = env) =>
      askForCommand(path, { args, env: environment as Record<string, string> });
    assertEquals((await ask(["--help"])).code, 0);
    await assertRejects(() => ask(["status"], null), Error, "TypeError");
    const { code, stderr } = await ask(["statsu"]);
    assertEquals(code, 2, stderr);
  },
});

Deno.test("warm commands: none leaves a connection, nor what it knew to the next one", async () => {
  await using database = await createDatabase({ empty: true });
  await using folder = await createFolder({
    "1_a.sql": migration("create table a ();", "drop table a;"),
  });
  await using other = await createFolder({ "2_b.sql": migration("create table b ();") });
  const run = async (args: string[], { path } = folder) => {
    const { code, stdout, stderr } = await runDb(args, {
      settings: database.settings,
      folder: path,
    });
    assertEquals(code, 0, stderr);
    return stdout;
  };
  assertEquals((await run(["new", "c"], other)).includes(other.path), true);
  for (const name of ["up", "status", "history", "drift", "redo", "down", "schema", "check"]) {
    await run([name]);
  }
  await until(async () => {
    const left = await database.db.query(sql`
      select from pg_stat_activity
      where datname = current_database() and application_name = 'migrate'`);
    return left.length === 0;
  });
});

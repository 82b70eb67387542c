/** Types docs/operations.md: a dump, its restore on a fresh server, a release that is turned back. */
import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { startEmbedded } from "../../embedded/mod.ts";
import { sql, Unreachable } from "../../postgres/mod.ts";
import { databaseUrl } from "../../postgres/settings.ts";
import {
  administer,
  asApplication,
  connectPatiently,
  createDatabase,
  testServer,
} from "../support/database.ts";
import { freePort, patience, startProcess } from "../support/process.ts";
import { Walkthrough } from "../support/walkthrough.ts";
import { createWriters } from "../support/writers.ts";

/** The major of the machine's pg_dump, which dumps no newer server; 0 where there is none. */
async function dumps(): Promise<number> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", "pg_dump --version"] }).output();
  return Number(/ (\d+)/.exec(new TextDecoder().decode(stdout))?.[1] ?? 0);
}

async function major(): Promise<number> {
  const db = connectPatiently(testServer(), { size: 1 });
  const [row] = await db.query<{ version: number }>(
    sql`select current_setting('server_version_num')::int / 10000 as version`,
  );
  await db.close();
  return row!.version;
}

Deno.test({
  name:
    "docs/operations.md: every command works as it stands; the restored server has all of before the dump, and nothing else",
  ignore: Deno.build.os === "windows" || await dumps() < await major(),
  async fn() {
    await using database = await createDatabase();
    const [writer] = await createWriters(database.db, 1);
    const insert = (text: string) =>
      database.db.query(
        sql`insert into todos (owner_id, description) select id, ${text} from users`,
      );
    await insert("before");

    const fresh = await startEmbedded({ small: true });
    const home = { ...fresh.settings, database: "restored" };
    // As providers have it: an administrator who is no superuser.
    await administer(
      fresh.settings,
      "create role provided login createrole createdb password 'provided'",
    );
    await administer(fresh.settings, "create database restored owner provided");
    const as = (user: string) => databaseUrl({ ...home, user, password: user });
    const url = databaseUrl(database.settings);
    await using walk = await Walkthrough.open({
      ADMIN_URL: url,
      MIGRATOR_URL: url,
      NEW_ADMIN_URL: as("provided"),
      NEW_MIGRATOR_URL: as("slate_migrator"),
      SCRATCH_DATABASE_URL: databaseUrl(fresh.settings),
    });
    const bounds = (role: string) =>
      database.db.query(sql`
        select unnest(setconfig) as bound from pg_db_role_setting
        where setrole = to_regrole(${role}) and setdatabase = 0 order by bound`);
    const old = asApplication(database);
    const renewed = { ...old, user: "slate_app_2", password: "another" };
    try {
      await walk.run("docs/operations.md", async (line) => {
        if (line.startsWith("pg_restore ")) await insert("after");
        // It asks, and shows nothing.
        if (line.includes("\\password slate_migrator")) {
          await administer(home, "alter role slate_migrator password 'slate_migrator'");
          return true;
        }
        if (line.includes("\\password")) {
          await database.db.script(`alter role slate_app_2 password 'another'`);
          assertEquals(await bounds("slate_app_2"), await bounds("slate_app"));
          assertEquals(await todos(renewed, writer!.token), ["before", "after"]);
          return true;
        }
        // The suite's other tests log in by that role: below, on the fresh server.
        if (line.includes("slate_app password null")) return true;
        // The test of the processes starts them.
        return line.startsWith("REUSE_PORT=1 ");
      });
      await administer(home, "alter role slate_app password 'restored'");
      const app = { ...home, user: "slate_app", password: "restored" };
      assertEquals(await todos(app, writer!.token), ["before"]);
      await administer(home, "alter role slate_app password null");
      const locked = connectPatiently(app, { size: 1 });
      await assertRejects(() => locked.query(sql`select 1`), Unreachable);
      await locked.close();
      assertEquals(
        await Deno.stat(join(walk.folder, "slate.dump")).then(({ isFile }) => isFile),
        true,
      );
    } finally {
      await database.db.script("drop role if exists slate_app_2");
      await fresh.stop();
    }
  },
});

/** What the API shows when it serves from there. */
async function todos(
  settings: Parameters<typeof databaseUrl>[0],
  token: string,
): Promise<string[]> {
  const port = freePort();
  await using app = startProcess(
    ["run", "--allow-net", "--allow-env", "--allow-read", "main.ts"],
    { DATABASE_URL: databaseUrl(settings), PORT: String(port), ...patience },
  );
  await app.says(/"listening"/);
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return await response.json();
  };
  assertEquals(await get("/api/health/ready"), { status: "ok" });
  const { data } = await get("/api/todos");
  return data.map(({ description }: { description: string }) => description);
}

/** What Deno Deploy does with deno.json's `deploy`, as far as its documents tell. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { sql } from "../../postgres/mod.ts";
import { root } from "../support/root.ts";
import { createDatabase } from "../support/database.ts";
import { statusOf } from "../support/entrypoint.ts";
import { until } from "../support/pool.ts";
import { freePort, patience } from "../support/process.ts";
import { openProxy } from "../support/proxy.ts";
import { dial } from "../support/socket.ts";

const { deploy } = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));

/** A machine with nothing but Deno, and what was installed by it before. */
async function platform() {
  const folder = await Deno.makeTempDir({ prefix: "slate-deploy-" });
  await Deno.symlink(Deno.execPath(), join(folder, "deno"));
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
  const env = { PATH: folder, HOME: folder, DENO_DIR: denoDir, DENO_DEPLOY: "1", NO_COLOR: "1" };
  return { folder, env, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

Deno.test({
  name:
    "deploy: predeploy migrates and the entrypoint serves, with only Deno and the PG* variables",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using database = await createDatabase({ empty: true });
    await using proxy = openProxy(database.settings);
    await using machine = await platform();
    const { host, port, user, password = "", database: name } = proxy.settings;
    const env = {
      ...machine.env,
      // As the database feature sets them: without a word of TLS.
      DATABASE_URL: `postgresql://${user}:${password}@${host}:${port}/${name}`,
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: user,
      PGPASSWORD: password,
      PGDATABASE: name,
    };
    const [program, ...args] = deploy.predeploy.split(" ");
    assertEquals(program, "deno");
    const options = { cwd: root, clearEnv: true, stdin: "null" as const };
    const predeploy = await new Deno.Command(join(machine.folder, program), {
      ...options,
      args,
      env,
    }).output();
    const said = new TextDecoder().decode(predeploy.stderr);
    assertEquals(predeploy.code, 0, said);
    const applied = await database.db.query(sql`select from schema_migrations`);
    assertEquals(applied.length, [...Deno.readDirSync(join(root, "db", "migrations"))].length);

    // A cold start, while the database sleeps.
    proxy.limit(0, "cut");
    const before = proxy.accepted;
    const listen = freePort();
    const child = new Deno.Command(join(machine.folder, "deno"), {
      ...options,
      args: ["run", "--allow-all", deploy.runtime.entrypoint],
      env: { ...env, DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${listen}`, POOL_SIZE: "2", ...patience },
      stdout: "null",
      stderr: "null",
    }).spawn();
    const status = (path: string) => statusOf(`http://127.0.0.1:${listen}/api/health/${path}`);
    await until(async () => await status("live") === 200);
    assertEquals(proxy.accepted - before, 0, "the database was asked before any request");
    assertEquals(await status("ready"), 503);
    proxy.heal();
    // Its answer is kept for a second.
    await until(async () => await status("ready") === 200);
    await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      const authorization = `Bearer slate_live_${i + 1}_1_${"A".repeat(43)}`;
      const url = `http://127.0.0.1:${listen}/api/me`;
      const answer = await fetch(url, { headers: { authorization } });
      assertEquals([answer.status, (await answer.json()).code], [401, "unauthorized"]);
    }));
    const [row] = await database.db.query<{ n: number }>(sql`
      select count(*)::int as n from pg_stat_activity
      where datname = current_database() and application_name = 'slate'
        and pid <> pg_backend_pid()`);
    assert(row!.n > 0 && row!.n <= 2, `a small pool stays small, and has ${row!.n}`);

    // An instance that idles is stopped so, and killed 5 s later; what has not ended by itself in its
    // time ends with 1.
    using idle = await dial(listen);
    await idle.write("GET /api/health/live HTTP/1.1\r\nHost: x\r\n\r\n");
    await idle.until("}");
    child.kill("SIGINT");
    assertEquals((await child.status).code, 0);
  },
});

Deno.test("deploy: a remote database whose URL says nothing of TLS is reached by verified TLS or not at all", async () => {
  await using machine = await platform();
  const env = { ...machine.env, PGHOST: "db.example.com", PGUSER: "a", PGDATABASE: "b" };
  const { readDatabaseSettings } = await import("../../postgres/settings.ts");
  assertEquals(readDatabaseSettings(env).settings?.tls, "verified");
  assertMatch(deploy.runtime.type, /^dynamic$/);
});

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { removeData } from "../../embedded/account.ts";
import { runningEmbedded } from "../../embedded/mod.ts";
import { sql } from "../../postgres/mod.ts";
import { databaseUrl } from "../../postgres/settings.ts";
import { dbmateBinary } from "../../migrate/apply/dbmate.ts";
import { root } from "../support/root.ts";
import { runDb } from "../support/command.ts";
import { childrenOf, keepPort, runs } from "../support/owner.ts";
import { until } from "../support/pool.ts";
import { freePort, patience, startProcess } from "../support/process.ts";
import { connectPatiently, createDatabase } from "../support/database.ts";

/** `deno task dev` on a data folder and a port of the test's own. */
async function surroundings() {
  const dataDir = await Deno.makeTempDir({ prefix: "slate dev " });
  await keepPort(dataDir);
  const port = freePort();
  const env = { SLATE_DATA_DIR: dataDir, PORT: String(port), HOST: "127.0.0.1", ...patience };
  const url = `http://127.0.0.1:${port}`;
  return {
    dataDir,
    env,
    url,
    start: (more: Record<string, string> = {}) =>
      startProcess(["task", "dev"], { ...env, ...more }),
    async stopped() {
      assertEquals(await runningEmbedded(dataDir), undefined);
      const free = Deno.listen({ hostname: "127.0.0.1", port });
      free.close();
    },
    [Symbol.asyncDispose]: () => removeData(dataDir),
  };
}

async function statusOf(url: string, headers = {}): Promise<number> {
  const response = await fetch(url, { headers });
  await response.body?.cancel();
  return response.status;
}

async function createUser(url: string, name: string) {
  const response = await fetch(`${url}/api/users`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, email: `${name}@example.com` }),
  });
  assertEquals(response.status, 201, await response.clone().text());
  return await response.json();
}

async function getUser(url: string, id: number) {
  return await (await fetch(`${url}/api/users/${id}`)).json();
}

Deno.test("deno task dev: one command gives a database, demo data and a curl line that works as it stands", async () => {
  await using place = await surroundings();
  await using dev = place.start();
  const [, line] = await dev.says(/\n {2}(curl .*)\n/);
  await dev.says(/"listening"/);
  const { stdout } = await new Deno.Command("sh", { args: ["-c", `${line} --silent`] }).output();
  assertMatch(new TextDecoder().decode(stdout), /"version":1/);
  dev.interrupt();
  await dev.ended;
  await place.stopped();
});

Deno.test("deno task dev: on a database of one's own it says where it serves, and how to get a key", async () => {
  await using place = await surroundings();
  await using database = await createDatabase();
  await using dev = place.start({ DATABASE_URL: databaseUrl(database.settings) });
  const [, line] = await dev.says(/A key is needed[^]*\n {2}(deno task key .*)\n/);
  assertStringIncludes(dev.output(), `${place.url}/api/docs`);
  const [, ...args] = line!.split(" ");
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    env: { DATABASE_URL: databaseUrl(database.settings) },
  }).output();
  const authorization = `Bearer ${new TextDecoder().decode(stdout).trim()}`;
  assertEquals(await statusOf(`${place.url}/api/todos`), 401);
  assertEquals(await statusOf(`${place.url}/api/todos`, { authorization }), 200);
  dev.interrupt();
  await dev.ended;
});

Deno.test("deno task dev: where others could call without a key it says so, in words of what was set", async () => {
  await using place = await surroundings();
  await using dev = place.start({ HOST: "0.0.0.0" });
  assertEquals(await dev.ended, 1);
  assertMatch(dev.output(), /HOST is "0\.0\.0\.0", where others could call without a key/);
  await place.stopped();
});

Deno.test("deno task dev: a row is still there after Ctrl-C, after kill, and after kill -9 of everything", async () => {
  await using place = await surroundings();
  let user;
  for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
    await using dev = place.start();
    await dev.says(/"listening"/);
    if (user) assertEquals(await getUser(place.url, user.id), user);
    user = await createUser(place.url, signal);
    if (signal === "SIGTERM") Deno.kill(dev.pid, signal);
    else dev.interrupt(signal);
    await dev.ended;
    if (signal !== "SIGKILL") await place.stopped();
  }
  await using dev = place.start();
  await dev.says(/"listening"/);
  assertEquals(await getUser(place.url, user.id), user);
  dev.interrupt();
  await dev.ended;
  await place.stopped();
});

Deno.test("deno task dev: a second one on the same data names the first, which goes on", async () => {
  await using place = await surroundings();
  await using first = place.start();
  await first.says(/"listening"/);
  await using second = place.start();
  assertEquals(await second.ended, 1);
  assertStringIncludes(second.output(), `is in use by deno task dev, ${place.url}`);
  assertEquals(/\n\s+at /.test(second.output()), false);
  assertEquals((await (await fetch(`${place.url}/api`)).json()).success, true);
  first.interrupt();
  await first.ended;
});

Deno.test("deno task dev: the app starts again when a file changes", async () => {
  await using place = await surroundings();
  await using dev = place.start();
  await dev.says(/"listening"/);
  // Touching is a change to the watcher and none to anybody else.
  const now = new Date();
  await Deno.utime(join(root, "main.ts"), now, now);
  await dev.says(/Restarting[\s\S]*"listening"/);
  assertMatch(await (await fetch(`${place.url}/api`)).text(), /api is up/);
  dev.interrupt();
  await dev.ended;
});

Deno.test("deno task dev: a port in use is one clear message, and another server on it is not taken for Slate", async () => {
  await using place = await surroundings();
  const port = Number(place.env.PORT);
  await using dev = await (async () => {
    await using _stranger = Deno.serve(
      { hostname: "127.0.0.1", port, onListen() {} },
      () => new Response("a stranger"),
    );
    const dev = place.start();
    await dev.says(/is in use: stop what listens there, or set PORT/);
    await dev.says(/Restarting on file change/);
    assertEquals(dev.output().includes("Slate runs"), false);
    return dev;
  })();
  const now = new Date();
  await Deno.utime(join(root, "main.ts"), now, now);
  await dev.says(/Slate runs/);
  assertMatch(await (await fetch(`${place.url}/api`)).text(), /api is up/);
  dev.interrupt();
  await dev.ended;
});

Deno.test("deno task dev: after a reset, or a down and an up, a message says to restart it", async () => {
  await using place = await surroundings();
  await using dev = place.start();
  await dev.says(/Slate runs/);
  assertEquals(/restart it/.test(dev.output()), false);
  const env = { ...place.env, DATABASE_URL: "", PGHOST: "" };
  assertEquals((await runDb(["up"], { env })).stderr, "nothing is pending\n");
  for (const args of [["reset"], ["down", "base"], ["up"]]) {
    const { code, stderr } = await runDb(args, { env });
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, "where its key is gone: restart it");
  }
  assertEquals(await statusOf(`${place.url}/api/todos`), 401);
  dev.interrupt();
  await dev.ended;
  await using again = place.start();
  await again.says(/Slate runs/);
  assertEquals(await statusOf(`${place.url}/api/todos`), 200);
  again.interrupt();
  await again.ended;
});

Deno.test("deno task dev: on a branch it serves the branch's database, which dbmate finds through .env", async () => {
  await using place = await surroundings();
  const none = { ...place.env, DATABASE_URL: "", PGHOST: "" };
  const envFile = join(place.dataDir, "env");
  for (const args of [["up"], ["branch", "b", "--env-file", envFile]]) {
    const { code, stderr } = await runDb(args, { env: none });
    assertEquals(code, 0, stderr);
  }
  const named = parseEnv(await Deno.readTextFile(envFile)) as Record<string, string>;
  await using dev = place.start(named);
  await dev.says(/Slate runs/);
  await createUser(place.url, "Grace");
  const copy = { ...(await runningEmbedded(place.dataDir))!, database: "slate_b" };
  const db = connectPatiently(copy, { size: 1 });
  assertEquals(await db.query(sql`select name from users order by id desc limit 1`), [{
    name: "Grace",
  }]);
  await db.close();
  const status = await new Deno.Command(await dbmateBinary(), {
    args: ["--env-file", envFile, "status"],
    cwd: root,
    env: named,
  }).output();
  assertEquals(status.code, 0, new TextDecoder().decode(status.stderr));
  dev.interrupt();
  await dev.ended;
});

Deno.test({
  name:
    "deno task dev: kill -9 of it alone, of its task, or of it with all that it has started leaves no watcher and no server",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using place = await surroundings();
    // Of the server's own shell, which is among them, the server is told by Linux alone.
    const all = Deno.build.os === "linux" ? ["all"] : [];
    for (const level of ["the task", "the program", ...all]) {
      await using task = place.start();
      await task.says(/Slate runs/);
      // Beside the program the test's own watchdog.
      const programs = await Promise.all((await childrenOf(task.pid)).map(async (pid) => ({
        pid,
        below: await childrenOf(pid),
      })));
      const { pid: dev, below } = programs.toSorted((a, b) => b.below.length - a.below.length)[0]!;
      assertEquals(below.length >= 2, true, `${below}`);
      const killed = level === "all" ? [dev, ...below] : [level === "the task" ? task.pid : dev];
      for (const pid of killed) Deno.kill(pid, "SIGKILL");
      for (const pid of [dev, ...below]) await until(async () => !await runs(pid));
      await until(async () => await runningEmbedded(place.dataDir) === undefined);
      await place.stopped();
    }
  },
});

/** The container's entrypoint, run in the checkout by the account of the tests. */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { dirname } from "node:path";
import { sql } from "../db/mod.ts";
import { type DatabaseSettings, databaseUrl } from "../db/settings.ts";
import { dbmateBinary, root } from "../db/tools/dbmate.ts";
import { createDatabase, testServer } from "./database.ts";
import { until } from "./pool.ts";
import { freePort } from "./process.ts";
import { openProxy } from "./proxy.ts";

const ignore = Deno.build.os === "windows";

interface Running {
  /** What it has said so far, on both channels. */
  said(): string;
  kill(signal: Deno.Signal): void;
  /** Waits for the condition; fails with what it said if it ends before. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>;
  /** Its exit code, 128 and the signal's number where a signal has ended it. */
  end: Promise<number>;
}

async function denoDirectory(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** What the image's build does: nothing is fetched when a container starts. */
async function fetchAll() {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", "--frozen", "main.ts", "db/tools/db.ts", "db/tools/commands/up.ts"],
    cwd: root,
  }).output();
  assert(success, new TextDecoder().decode(stderr));
}

async function start(settings: DatabaseSettings | undefined, port: number): Promise<Running> {
  await fetchAll();
  const { HOME = "/", PATH } = Deno.env.toObject();
  const child = new Deno.Command(`${root}/entrypoint.sh`, {
    cwd: "/",
    clearEnv: true,
    env: {
      HOME,
      PATH: `${dirname(Deno.execPath())}:${PATH}`,
      TMPDIR: "/tmp",
      DENO_DIR: await denoDirectory(),
      DBMATE_BIN: await dbmateBinary(),
      PORT: String(port),
      ...(settings ? { DATABASE_URL: databaseUrl(settings) } : {}),
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let text = "";
  let over = false;
  const listen = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) text += chunk;
  };
  const said = Promise.all([listen(child.stdout), listen(child.stderr)]);
  return {
    said: () => text,
    kill: (signal) => child.kill(signal),
    async until(condition) {
      await until(async () => {
        assert(!over, `it ended:\n${text}`);
        return await condition();
      });
    },
    end: said.then(() => child.status).then(({ code }) => {
      over = true;
      return code;
    }),
  };
}

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url).catch(() => undefined);
  await response?.body?.cancel();
  return response?.status ?? 0;
}

Deno.test({
  name: "entrypoint: it waits for the database, migrates, serves, and drains on SIGTERM",
  ignore,
  async fn() {
    await using database = await createDatabase({ empty: true });
    await using proxy = openProxy(database.settings);
    proxy.limit(0, "cut");
    const port = freePort();
    const running = await start(proxy.settings, port);
    await running.until(() => proxy.accepted >= 2);
    assertEquals(await statusOf(`http://127.0.0.1:${port}/api/health/live`), 0);
    proxy.heal();
    await running.until(async () =>
      await statusOf(`http://127.0.0.1:${port}/api/health/live`) === 200
    );
    assertEquals(await statusOf(`http://127.0.0.1:${port}/api/health/ready`), 200);
    const [row] = await database.db.query<{ n: number }>(
      sql`select count(*)::int as n from schema_migrations`,
    );
    assertEquals(row!.n, Array.from(Deno.readDirSync(`${root}/db/migrations`)).length);
    running.kill("SIGTERM");
    assertEquals(await running.end, 0, running.said());
  },
});

Deno.test({
  name: "entrypoint: a stop while it waits for the database is obeyed",
  ignore,
  async fn() {
    await using proxy = openProxy(testServer());
    proxy.limit(0, "cut");
    const running = await start(proxy.settings, freePort());
    await running.until(() => proxy.accepted >= 2);
    running.kill("SIGTERM");
    assertEquals(await running.end, 143, running.said());
    assertNotMatch(running.said(), /listening/);
  },
});

Deno.test({
  name: "entrypoint: a migration that fails ends it before anything is served",
  ignore,
  async fn() {
    await using database = await createDatabase({ empty: true });
    await database.db.script("create table todos (mine text)");
    const port = freePort();
    const running = await start(database.settings, port);
    assert(await running.end !== 0);
    assertMatch(running.said(), /todos/);
    assertNotMatch(running.said(), /listening/);
  },
});

Deno.test({
  name: "entrypoint: without a database it says what to set",
  ignore,
  async fn() {
    const running = await start(undefined, freePort());
    assertEquals(await running.end, 1);
    assertMatch(running.said(), /DATABASE_URL is missing: set it to/);
  },
});

Deno.test("container: each base is pinned, and no file says a password", async () => {
  const dockerfile = await Deno.readTextFile(`${root}/Dockerfile`);
  const compose = await Deno.readTextFile(`${root}/compose.yaml`);
  const images = [...dockerfile.matchAll(/^FROM (\S+)/gm), ...compose.matchAll(/image: (\S+)/g)];
  assert(images.length >= 4);
  for (const [, image] of images) assertMatch(image!, /^(docker\.io|ghcr\.io)\/\S+:\d+\.\d+\S*$/);
  assertMatch(dockerfile, /^USER deno$/m);
  assertNotMatch(compose, /PASSWORD: |:\/\/\w+:\w+@/);
});

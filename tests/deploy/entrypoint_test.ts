/** The container's entrypoint, run in the checkout by the account of the tests. */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { root } from "../support/root.ts";
import { createDatabase, testServer } from "../support/database.ts";
import { fetchAll, startEntrypoint, statusOf } from "../support/entrypoint.ts";
import { freePort } from "../support/process.ts";
import { openProxy } from "../support/proxy.ts";

const ignore = Deno.build.os === "windows";
if (!ignore) await fetchAll();

Deno.test({
  name:
    "entrypoint: it waits for the database, migrates, serves under a name of its own, and drains on SIGTERM",
  ignore,
  async fn() {
    await using database = await createDatabase({ empty: true });
    await using proxy = openProxy(database.settings);
    proxy.limit(0, "cut");
    const port = freePort();
    const running = await startEntrypoint(proxy.settings, port);
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
    if (Deno.build.os === "linux") {
      // What a collector of metrics tells it from other replicas by.
      const environment = (await Deno.readTextFile(`/proc/${running.pid}/environ`)).split("\0");
      const name = `OTEL_RESOURCE_ATTRIBUTES=service.instance.id=${Deno.hostname()}`;
      assert(environment.includes(name));
    }
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
    const running = await startEntrypoint(proxy.settings, freePort());
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
    const running = await startEntrypoint(database.settings, port);
    assert(await running.end !== 0);
    assertMatch(running.said(), /todos/);
    assertNotMatch(running.said(), /listening/);
  },
});

Deno.test({
  name: "entrypoint: without a database it says what to set",
  ignore,
  async fn() {
    const running = await startEntrypoint(undefined, freePort());
    assertEquals(await running.end, 1);
    assertMatch(running.said(), /DATABASE_URL is missing: set it to/);
  },
});

Deno.test("container: each base image is pinned, and no file contains a password", async () => {
  const dockerfile = await Deno.readTextFile(`${root}/Dockerfile`);
  const compose = await Deno.readTextFile(`${root}/compose.yaml`);
  const images = [...dockerfile.matchAll(/^FROM (\S+)/gm), ...compose.matchAll(/image: (\S+)/g)];
  assert(images.length >= 4);
  for (const [, image] of images) assertMatch(image!, /^(docker\.io|ghcr\.io)\/\S+:\d+\.\d+\S*$/);
  assertMatch(dockerfile, /^USER deno$/m);
  assertNotMatch(compose, /PASSWORD: |:\/\/\w+:\w+@/);
  // The superuser's would be in the volume that the API's container reads.
  assertNotMatch(compose, /POSTGRES_PASSWORD_FILE/);
  // What serves may change rows only; what migrates does so before it.
  assertMatch(compose, /PGUSER: slate_app\n/);
  assertMatch(compose, /MIGRATION_DATABASE_URL="postgres:\/\/slate_migrator:/);
  assertMatch(compose, /db\/roles\.sql:\/docker-entrypoint-initdb\.d\//);
});

Deno.test("container: V8 gets the flags of `deno task start`", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));
  const [flags] = /--v8-flags=\S+/.exec(tasks.start.command)!;
  assertMatch(await Deno.readTextFile(`${root}/entrypoint.sh`), new RegExp(`run ${flags} `));
});

Deno.test("container: the image leaves out the packages that neither the app nor its tools import", async () => {
  const [, list] = /RUN deno remove ([^&]*)/.exec(await Deno.readTextFile(`${root}/Dockerfile`))!;
  const { imports } = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));
  const script = "cat *.ts $(find routes db postgres embedded migrate tasks -name '*.ts')";
  const { stdout } = await new Deno.Command("sh", { args: ["-c", script], cwd: root }).output();
  const sources = new TextDecoder().decode(stdout);
  const unused = Object.keys(imports).filter((name) =>
    imports[name].startsWith("npm:") && !sources.includes(`"${name}"`)
  );
  // @hono/zod-openapi asks for zod as its peer.
  const wanted = unused.filter((name) => name !== "zod");
  assertEquals(list!.split(/[\s\\]+/).filter((name) => name).sort(), wanted.sort());
});

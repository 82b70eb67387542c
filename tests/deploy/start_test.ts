import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { databaseUrl } from "../../postgres/settings.ts";
import { sql } from "../../postgres/mod.ts";
import { root } from "../support/root.ts";
import type { Json } from "../support/api.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { holdLock, untilLocked } from "../support/locks.ts";
import { until } from "../support/pool.ts";
import { freePort, patience, startProcess, untilRefused } from "../support/process.ts";

const main = ["run", "--allow-net", "--allow-env", "--allow-read", "main.ts"];

function settings(database: TestDatabase) {
  const port = freePort();
  const env = { DATABASE_URL: databaseUrl(database.settings), PORT: String(port), ...patience };
  return { env, url: `http://127.0.0.1:${port}` };
}

async function key(database: TestDatabase, ...args: string[]) {
  const child = startProcess(["run", "--allow-all", "tasks/key.ts", ...args], {
    DATABASE_URL: databaseUrl(database.settings),
  });
  const code = await child.ended;
  return { code, output: child.output() };
}

Deno.test("main.ts: every missing, unknown and malformed setting in one message, exit 1", async () => {
  const child = startProcess(main, {
    DATABASE_URL: "",
    PGHOST: "",
    PORT: "http",
    SLATE_COLOUR: "red",
    RATE_LIMIT: "-1",
  });
  assertEquals(await child.ended, 1);
  for (const name of ["DATABASE_URL is missing", "PORT", "SLATE_COLOUR", "RATE_LIMIT"]) {
    assertStringIncludes(child.output(), name);
  }
  assertEquals(/\n\s+at /.test(child.output()), false);
});

Deno.test("main.ts: SLATE_DEV_KEY is refused unless the database is embedded and the listener on the loopback [38]", async () => {
  await using database = await createDatabase();
  const { env } = settings(database);
  const other = { SLATE_DATA_DIR: "/nowhere", SLATE_DEV_KEY: "slate_dev_1_x" };
  for (
    const [extra, why] of [
      [{ HOST: "0.0.0.0" }, 'HOST is "0.0.0.0"'],
      [{ DATABASE_URL: "postgres://u:p@db.example.com/x" }, "not the embedded one"],
      [{}, "only for the embedded database"],
    ] as [Record<string, string>, string][]
  ) {
    const child = startProcess(main, { ...env, ...other, ...extra });
    assertEquals(await child.ended, 1);
    assertStringIncludes(child.output(), why);
  }
});

Deno.test("main.ts: the docs page's viewer is not loaded at the start, but on first use [42]", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: root,
  });
  const { modules, roots } = JSON.parse(new TextDecoder().decode((await command.output()).stdout));
  const loaded = new Set<string>(roots);
  for (const name of loaded) {
    const { dependencies = [] } = modules.find((m: Json) => m.specifier === name) ?? {};
    for (const { code, isDynamic } of dependencies as Json[]) {
      if (code && !isDynamic) loaded.add(code.specifier);
    }
  }
  const viewer = (name: string) => name.includes("@scalar/");
  assert(
    modules.some((m: Json) => m.dependencies?.some((d: Json) => viewer(d.code?.specifier ?? ""))),
  );
  assert(loaded.size > 30);
  assertEquals([...loaded].filter(viewer), []);
});

Deno.test("main.ts: starts while the database is away, answers 503, and serves when it is there", async () => {
  const port = freePort();
  const away = { DATABASE_URL: "postgres://u:s3cret@127.0.0.1:1/x", PORT: String(port) };
  await using child = startProcess(main, away);
  await child.says(/"listening"/);
  const ready = await fetch(`http://127.0.0.1:${port}/api/health/ready`);
  assertEquals([ready.status, (await ready.json()).code], [503, "unavailable"]);
  const live = await fetch(`http://127.0.0.1:${port}/api/health/live`);
  assertEquals([live.status, await live.json()], [200, { status: "ok" }]);
  await child.says(/"status":503/);
  assertEquals(child.output().includes("s3cret"), false);
});

Deno.test("deno task key create: the first user and key of a new installation, shown once", async () => {
  await using database = await createDatabase();
  const { env, url } = settings(database);
  const made = await key(database, "create", "--email", "a@b.c", "--scope", "admin");
  assertEquals(made.code, 0, made.output);
  const [token] = /^slate_live_\S+$/m.exec(made.output)!;
  await using child = startProcess(main, env);
  await child.says(/"listening"/);
  const headers = { authorization: `Bearer ${token}` };
  const me = await (await fetch(`${url}/api/me`, { headers })).json();
  assertEquals(me.email, "a@b.c");
  assertStringIncludes(made.output, "good where SLATE_ENV is live");
  // Somebody may have taken the address before: no key for his account unasked.
  const unasked = await key(database, "create", "--email", "A@B.C", "--scope", "read");
  assertEquals(unasked.code, 1);
  assertStringIncludes(unasked.output, "an account has the address A@B.C already: --yes");
  assertEquals((await database.db.query(sql`select from keys`)).length, 1);
  const again = await key(database, "create", "--email", "A@B.C", "--scope", "read", "--yes");
  assertEquals(again.code, 0, again.output);
  const users = await database.db.query(sql`select from users`);
  assertEquals(users.length, 1);
  assertEquals(child.output().includes(token), false);
});

Deno.test("deno task key create: wrong use is exit 2, an empty database gets a message to migrate", async () => {
  await using empty = await createDatabase({ empty: true });
  for (const args of [["create"], ["create", "--email", "x", "--scope", "admin"], ["make"]]) {
    const { code, output } = await key(empty, ...args);
    assertEquals(code, 2);
    assertStringIncludes(output, "usage: deno task key create");
  }
  const { code, output } = await key(empty, "create", "--email", "a@b.c", "--scope", "admin");
  assertEquals(code, 1);
  assertStringIncludes(output, "deno task db up");
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`main.ts: ${signal} lets the request in flight finish, closes the pool and exits 0 [40]`, async () => {
    await using database = await createDatabase();
    const { env, url } = settings(database);
    const { output } = await key(database, "create", "--email", "a@b.c", "--scope", "write");
    const [token] = /^slate_live_\S+$/m.exec(output)!;
    await using child = startProcess(main, env);
    await child.says(/"listening"/);
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    // A lock holds the request up until the signal is there.
    await using holder = await holdLock(
      database.settings,
      "select from users where id = 1 for update",
    );
    const patch = fetch(`${url}/api/users/1`, {
      method: "PATCH",
      headers,
      body: JSON.stringify({ years_old: 7 }),
    });
    await untilLocked(database.db, "update users");
    child.interrupt(signal);
    await untilRefused(url);
    await holder.commit();
    const answer = await patch;
    assertEquals([answer.status, (await answer.json()).years_old], [200, 7]);
    // What has not ended by itself in its time ends with 1.
    assertEquals(await child.ended, 0);
    await until(async () => {
      const left = await database.db.query(sql`
        select from pg_stat_activity
        where datname = current_database() and application_name = 'slate'
          and pid <> pg_backend_pid()`);
      return left.length === 0;
    });
  });
}

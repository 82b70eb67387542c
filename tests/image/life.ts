/** What a container does from its start to its end. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { sql } from "../../postgres/mod.ts";
import { root } from "../support/root.ts";
import { createDatabase } from "../support/database.ts";
import { pause, until } from "../support/pool.ts";
import { openProxy } from "../support/proxy.ts";
import type { Check, Scene } from "./catalogue.ts";
import { type Container, startContainer } from "./container.ts";

const live = "/api/health/live";
const ready = "/api/health/ready";
const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Stops it, and says how long that took. */
async function stop(container: Container, signal: Deno.Signal, code: number): Promise<string> {
  const since = performance.now();
  await container.kill(signal);
  const ended = await container.ended;
  assertEquals(ended.code, code, ended.output);
  return `${code} after ${seconds(since)}`;
}

async function healthy(container: Container, { image }: Scene): Promise<number> {
  const [kind, ...command] = image.config.Healthcheck.Test;
  assertEquals(kind, "CMD");
  return (await container.exec(command)).code;
}

export const life: Check[] = [
  {
    name: "start",
    async run({ image }) {
      await using database = await createDatabase({ empty: true });
      const times: string[] = [];
      for (let round = 0; round < 2; round++) {
        const since = performance.now();
        await using container = await startContainer(image, database);
        await container.answers(ready);
        times.push(seconds(since));
        await stop(container, "SIGTERM", 0);
      }
      const [row] = await database.db.query<{ n: number }>(sql`
        select count(*)::int as n from schema_migrations`);
      assertEquals(row!.n, [...Deno.readDirSync(join(root, "db/migrations"))].length);
      return `ready after ${times[0]} with all ${row!.n} migrations, after ${times[1]} with none`;
    },
  },
  {
    name: "tools",
    async run({ image }) {
      await using database = await createDatabase({ empty: true });
      let token = "";
      {
        await using container = await startContainer(image, database);
        await container.answers(ready);
        const create = ["deno", "task", "key", "create", "--email", "a@b.c", "--scope", "admin"];
        const { output } = await container.exec(create);
        [token] = /^slate_live_\S+$/m.exec(output) ?? [""];
        assert(token, output);
        const status = await container.exec(["deno", "task", "db", "status"]);
        assertEquals(status.code, 0, status.output);
        const body = JSON.stringify({ name: "outlive", email: "outlive@b.c" });
        assertMatch(await call(container, token, { method: "POST", body }), /"outlive"/);
      }
      await using next = await startContainer(image, database);
      await next.answers(ready);
      assertMatch(await call(next, token, {}), /"outlive"/);
      return "it makes the first key and tells the state of the schema; a row outlives it";
    },
  },
  {
    name: "wrong settings",
    async run({ image }) {
      await using container = await startContainer(image, {
        env: { SLATE_COLOUR: "red", PORT: "x" },
      });
      const { code, output } = await container.ended;
      assertEquals(code, 1);
      for (const name of ["DATABASE_URL", "SLATE_COLOUR", "PORT"]) {
        assertMatch(output, RegExp(name));
      }
      return "all are named at once, exit code 1";
    },
  },
  {
    name: "health check",
    async run(scene) {
      await using database = await createDatabase({ empty: true });
      await using proxy = openProxy(database.settings);
      proxy.limit(0, "cut");
      await using container = await startContainer(scene.image, proxy);
      await until(() => proxy.accepted >= 2);
      assertEquals(await healthy(container, scene), 1);
      proxy.heal();
      await container.answers(live);
      const since = performance.now();
      assertEquals(await healthy(container, scene), 0);
      const cost = seconds(since);
      // A database that is away is no reason to start the container again.
      proxy.limit(0, "cut");
      assertEquals(await healthy(container, scene), 0);
      return `1 until it serves, then 0 (takes ${cost}), also while the database is away`;
    },
  },
  ...(["SIGTERM", "SIGINT"] as const).map((signal): Check => ({
    name: `${signal} while it serves`,
    async run({ image }) {
      await using database = await createDatabase({ empty: true });
      await using proxy = openProxy(database.settings);
      await using container = await startContainer(image, proxy);
      await container.answers(ready);
      proxy.delay(1000);
      // Readiness is kept for a second.
      await pause(1100);
      const before = proxy.pieces;
      const request = container.status(ready);
      await until(() => proxy.pieces > before);
      const ended = await stop(container, signal, 0);
      assertEquals(await request, 200);
      return `the request in hand is answered, exit code ${ended}`;
    },
  })),
  {
    name: "SIGTERM while it waits",
    async run({ image, server }) {
      await using proxy = openProxy(server.settings);
      proxy.limit(0, "cut");
      await using container = await startContainer(image, proxy);
      await until(() => proxy.accepted >= 2);
      return `exit code ${await stop(container, "SIGTERM", 143)}`;
    },
  },
  {
    name: "SIGTERM while it migrates",
    async run({ image }) {
      await using database = await createDatabase({ empty: true });
      const { db } = database;
      const slow = { "20300101000000_slow.sql": "select pg_sleep(600);" };
      await using migrations = await folderWith(slow);
      await using container = await startContainer(image, {
        ...database,
        migrations: migrations.path,
      });
      await until(() => underWay("pg_sleep(600)"));
      const ended = await stop(container, "SIGTERM", 143);
      assert(!await underWay("pg_sleep(600)"), "the statement outlived the container");
      const [row] = await db.query<{ n: number }>(sql`
        select count(*)::int as n from schema_migrations where version = '20300101000000'`);
      assertEquals(row!.n, 0);
      return `the migration is undone, its session gone, exit code ${ended}`;

      async function underWay(text: string): Promise<boolean> {
        const found = await db.query(sql`
          select from pg_stat_activity
          where datname = current_database() and state = 'active'
            and position(${text} in query) > 0 and pid <> pg_backend_pid()`);
        return found.length > 0;
      }
    },
  },
  {
    name: "database 20 s late",
    async run({ image, server }) {
      await using database = await createDatabase({ empty: true });
      await server.crash();
      await using container = await startContainer(image, database);
      await pause(20_000);
      assertEquals(await container.status(live), 0);
      const since = performance.now();
      await server.start();
      await container.answers(ready);
      return `it waits, and is ready ${seconds(since)} after PostgreSQL is started`;
    },
  },
  {
    name: "failing migration",
    async run({ image }) {
      await using database = await createDatabase({ empty: true });
      await using old = await startContainer(image, database);
      await old.answers(ready);
      const bad = "alter table users add column half text;\nalter table users add column id text;";
      await using migrations = await folderWith({ "20300101000000_fails.sql": bad });
      await using container = await startContainer(image, {
        ...database,
        migrations: migrations.path,
      });
      const { code, output } = await container.ended;
      assert(code !== 0, "it ended well");
      assertMatch(output, /20300101000000_fails\.sql/);
      const [reason] = /column "id" of relation "users" already exists/.exec(output) ?? [];
      assert(reason, output);
      assertEquals(await old.status(ready), 200);
      const half = await database.db.query(sql`
        select from information_schema.columns where table_name = 'users' and column_name = 'half'`);
      assertEquals(half.length, 0);
      return `exit code ${code}: ${reason}\nnothing is half done, the old container is ready as before`;
    },
  },
];

async function call({ url }: Container, token: string, init: RequestInit): Promise<string> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return await (await fetch(`${url}/api/users`, { ...init, headers })).text();
}

/** The project's migrations and these, whose way back is nothing. */
async function folderWith(more: Record<string, string>) {
  const path = await Deno.makeTempDir({ prefix: "slate-migrations-" });
  const own = join(root, "db/migrations");
  for (const { name } of Deno.readDirSync(own)) {
    await Deno.copyFile(join(own, name), join(path, name));
  }
  for (const [name, up] of Object.entries(more)) {
    const text = `-- lock: none\n\n-- migrate:up\n${up}\n\n-- migrate:down\nselect 1;\n`;
    await Deno.writeTextFile(join(path, name), text);
  }
  // The container's account reads it.
  await Deno.chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

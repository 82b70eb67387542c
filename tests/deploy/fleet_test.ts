/** Many instances, and what stands between them and the database. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { databaseUrl } from "../../postgres/settings.ts";
import { root, testLock } from "../support/root.ts";
import { runDb } from "../support/command.ts";
import { createDatabase } from "../support/database.ts";
import { fetchAll, startEntrypoint, statusOf } from "../support/entrypoint.ts";
import { pgbouncer, startPgbouncer } from "../support/pgbouncer.ts";
import { until } from "../support/pool.ts";
import { freePort } from "../support/process.ts";
import { collections } from "../support/samples.ts";

Deno.test({
  name:
    "fleet: eight containers start at once on an empty database, each migration runs once, all serve",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using database = await createDatabase({ empty: true });
    await fetchAll();
    const ports = Array.from({ length: 8 }, freePort);
    const fleet = await Promise.all(ports.map((port) => startEntrypoint(database.settings, port)));
    try {
      await until(async () => {
        const ready = ports.map((port) => statusOf(`http://127.0.0.1:${port}/api/health/ready`));
        return (await Promise.all(ready)).every((status) => status === 200);
      });
      const runs = await database.db.query(sql`
        select version from migration_ledger where action = 'up' and outcome = 'done'
        intersect all select version from schema_migrations`);
      const all = await database.db.query(sql`select from migration_ledger`);
      const files = [...Deno.readDirSync(`${root}/db/migrations`)].length;
      assertEquals([runs.length, all.length], [files, files]);
    } finally {
      for (const member of fleet) member.kill("SIGTERM");
    }
    for (const member of fleet) assertEquals(await member.end, 0, member.said());
  },
});

Deno.test({
  name: "fleet: behind PgBouncer in transaction mode every test of the resources passes",
  ignore: !pgbouncer,
  async fn() {
    const pooler = await startPgbouncer();
    // In one isolate, which compiles the API once.
    const path = await Deno.makeTempFile({ suffix: "_test.ts" });
    const imports = [...collections, "idempotency", "protocol"]
      .map((name) => `import "${import.meta.resolve(`../api/${name}_test.ts`)}";\n`);
    await Deno.writeTextFile(path, imports.join(""));
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--allow-all", "--no-check", testLock, path],
      cwd: root,
      env: { TEST_APP_PORT: String(pooler.port), NO_COLOR: "1" },
    }).output();
    await Deno.remove(path);
    const log = await pooler.stop();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals(code, 0, decode(stdout) + decode(stderr));
    // It was PgBouncer that they went through.
    assertMatch(log, /slate_test_\w+\/slate_app@/);
  },
});

Deno.test({
  name: "fleet: migrations refuse PgBouncer and say what to set; with it they go past the pooler",
  ignore: !pgbouncer,
  async fn() {
    await using database = await createDatabase({ empty: true });
    const pooler = await startPgbouncer();
    const settings = { ...database.settings, port: pooler.port };
    const refused = await runDb(["up"], { settings });
    assertEquals(refused.code, 4, refused.stderr);
    assertStringIncludes(refused.stderr, "set MIGRATION_DATABASE_URL");
    const tables = await database.db.query(sql`select from pg_tables where schemaname = 'public'`);
    assertEquals(tables.length, 0);
    const env = { MIGRATION_DATABASE_URL: databaseUrl(database.settings) };
    const done = await runDb(["up"], { settings, env });
    assertEquals(done.code, 0, done.stderr);
    await pooler.stop();
  },
});

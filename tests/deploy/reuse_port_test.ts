import { assertEquals, assertLess } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { databaseUrl } from "../../postgres/settings.ts";
import { startLoad } from "../faults/load.ts";
import { asPatientApplication, createDatabase } from "../support/database.ts";
import { until } from "../support/pool.ts";
import { freePort, patience, type Process, startProcess } from "../support/process.ts";
import { createWriters } from "../support/writers.ts";

const served = /"route":"\/api\/todos/g;

Deno.test({
  name:
    "two processes share a port under 32 clients; one is killed, one is drained, and nothing that was answered is lost",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using database = await createDatabase();
    const port = freePort();
    const env = {
      ...patience,
      DATABASE_URL: databaseUrl(await asPatientApplication(database)),
      PORT: String(port),
      POOL_SIZE: "5",
      RATE_LIMIT: "0",
    };
    const start = async (reuse = "1") => {
      const process = startProcess(
        ["run", "--allow-net", "--allow-env", "--allow-read", "main.ts"],
        { ...env, REUSE_PORT: reuse },
      );
      await process.says(/"listening"|in use/);
      return process;
    };
    await using first = await start();
    await using second = await start();
    await using alone = await start("0");
    assertEquals(await alone.ended, 1);

    const writers = await createWriters(database.db, 32);
    const load = startLoad(`http://127.0.0.1:${port}`, writers, true);
    const serves = ({ output }: Process) => until(() => (output().match(served)?.length ?? 0) > 10);
    await until(() => load.acknowledged.size > 100);
    for (const process of [first, second]) await serves(process);

    first.interrupt("SIGKILL");
    await first.ended;
    await load.recovered();
    await using third = await start();
    // New connections only: the clients keep the ones that they have.
    const before = load.broken;
    second.interrupt("SIGTERM");
    assertEquals(await second.ended, 0, second.output());
    await load.recovered();
    assertLess(load.broken - before, writers.length);
    await serves(third);
    await load.stop();
    assertEquals(load.wrong, []);
    const rows = await database.db.query<{ description: string }>(
      sql`select description from todos`,
    );
    const kept = new Set(rows.map(({ description }) => description));
    assertEquals(kept.size, rows.length, "a row is doubled");
    assertEquals([...load.acknowledged].filter((text) => !kept.has(text)), []);
    console.log(
      `${load.requests} requests, ${before} broken by the kill, ${
        load.broken - before
      } by the drain`,
    );
  },
});

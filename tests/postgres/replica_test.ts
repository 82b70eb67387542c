/** A replica as a caller who leaves finds it; what it answers is in tests/db/replica_test.ts. */
import { assertEquals, assertRejects } from "@std/assert";
import { DatabaseError, DeadlinePassed, sql } from "../../postgres/mod.ts";
import { connectReplica } from "../../postgres/replica.ts";
import { createDatabase } from "../support/database.ts";
import { pool, until } from "../support/pool.ts";

/** A database that takes itself for a replica. */
async function createReplica() {
  const database = await createDatabase({ empty: true });
  await database.db.script(`
    create schema replica;
    create function replica.pg_is_in_recovery() returns boolean return true`);
  return { database, settings: { ...database.settings, searchPath: "replica,pg_catalog" } };
}

Deno.test("a replica that refuses what one caller asks is asked by the others", async () => {
  const { database, settings } = await createReplica();
  await using _ = database;
  await using primary = pool(database.settings);
  const replica = connectReplica(settings, primary, { size: 1, warn: () => {} });
  const { read } = replica.after("0");
  const refused = sql`select null as caller_id, n from nowhere`;
  const error = await assertRejects(() => read(refused), DatabaseError);
  assertEquals(error.code, "42P01");
  const [row] = await read<{ path: string }>(sql`
    select 'x' as caller_id, current_setting('search_path') as path`);
  assertEquals(row!.path, settings.searchPath);
  await replica.close();
});

Deno.test("a read whose caller leaves is stopped at the replica, and not asked at the primary", async () => {
  const { database, settings } = await createReplica();
  await using _ = database;
  await using primary = pool(database.settings);
  const replica = connectReplica(settings, primary, { size: 1, warn: () => {} });
  const caller = sql`select 'x' as caller_id, pg_backend_pid() as pid`;
  const db = replica.after("0");
  const [before] = await db.read<{ pid: number }>(caller);
  const atWork = async () => {
    const found = await database.db.query(sql`
      select from pg_stat_activity
      where datname = current_database() and state = 'active' and query ~ 'pg_sl[e]ep'`);
    return found.length;
  };
  let leave = () => {};
  const left = assertRejects(
    () => db.read(sql`select 'x' as caller_id, pg_sleep(600)`, (stop) => leave = stop),
    DeadlinePassed,
  );
  await until(async () => await atWork() > 0);
  leave();
  await left;
  await until(async () => await atWork() === 0);
  assertEquals(await primary.backends(database.db), 0);
  // Nor is it taken for one that is away.
  const [after] = await db.read<{ pid: number }>(caller);
  assertEquals([typeof before!.pid, typeof after!.pid], ["number", "number"]);
  assertEquals(await primary.backends(database.db), 0);
  await replica.close();
});

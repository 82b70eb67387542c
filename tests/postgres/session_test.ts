/** A session: one connection, kept with what it holds, for a tool on a database of its own. */
import { assertEquals, assertRejects } from "@std/assert";
import { DatabaseError, sql, Unreachable } from "../../postgres/mod.ts";
import { connectPatiently, createDatabase, testServer } from "../support/database.ts";
import { pause, until } from "../support/pool.ts";
import { openProxy } from "../support/proxy.ts";

Deno.test("a session that only reads keeps its connection, and what it has there", async () => {
  await using database = await createDatabase({ empty: true });
  const session = connectPatiently(database.settings, { session: true });
  await session.script("create table t (); create temporary table held as select 1 as n");
  await session.script("set default_transaction_read_only = on");
  const error = await assertRejects(
    () => session.query(sql`insert into t default values`),
    DatabaseError,
  );
  assertEquals(error.code, "25006");
  assertEquals(await session.query(sql`select n from held`), [{ n: 1 }]);
  await session.close();
});

Deno.test("a connection that nobody uses is closed, and a session's stays with what it holds", async () => {
  await using database = await createDatabase();
  const name = "idles";
  const open = async (applicationName: string) =>
    (await database.db.query(sql`
      select from pg_stat_activity where application_name = ${applicationName}`)).length;
  const db = connectPatiently(database.settings, { size: 3, idleMs: 20, applicationName: name });
  const session = connectPatiently(database.settings, { session: true, idleMs: 20 });
  await session.script("create temporary table held (n integer)");
  await Promise.all([1, 2, 3].map(() => db.query(sql`select pg_sleep(0.01)`)));
  await until(async () => await open(name) === 0);
  assertEquals(await db.query(sql`select 1 as one`), [{ one: 1 }]);
  assertEquals(await session.query(sql`select * from held`), []);
  await db.close();
  await session.close();
});

Deno.test("a session whose connection breaks while it opens is Unreachable, at whichever byte", async () => {
  await using proxy = openProxy(testServer());
  for (let bytes = 16; bytes < 8192; bytes = Math.ceil(bytes * 1.5)) {
    const session = connectPatiently(proxy.settings, { session: true });
    proxy.limit(bytes, "cut");
    // An answer longer than any: its end does not come.
    const text = "long".repeat(4096);
    await assertRejects(() => session.query(sql`select ${text} as text`), Unreachable);
    await session.close();
  }
  // The driver's own timer, which is due at once.
  await pause(50);
});

/** What begins, ends or commits a transaction itself: nothing of it is done twice, and nobody is in it. */
import { assertEquals, assertRejects } from "@std/assert";
import { DatabaseError, sql, Statement } from "../../postgres/mod.ts";
import { connectPatiently } from "../support/database.ts";
import { echo, pool } from "../support/pool.ts";
import { range, withWrites, write, written } from "../support/writes.ts";

/** What PostgreSQL skips; a line of dashes could be many comments, and is read as one. */
const heads = [
  "",
  "-- every night\n",
  `${"-".repeat(80)}\r-- every night\n`,
  "/* every /* single */ night */ ",
  " ; ",
];

const fail = "do $$ begin raise 'met' using errcode = '40P01'; end $$";

Deno.test("a procedure that commits on its way is not begun again for those who wait, whatever stands before it", async () => {
  await using database = await withWrites();
  await database.db.script(`
    create procedure write_twice() language plpgsql as $$
    begin
      insert into writes values (1);
      commit;
      perform pg_sleep(0.6);
      insert into writes values (2);
    end $$`);
  await using db = pool(database.settings, { size: 1 });
  // The way is known to be short.
  for (const n of range(3)) await echo(db, n);
  for (const head of heads) {
    const call = db.query(new Statement([`${head}call write_twice()`], []));
    const behind = range(5).map((n) => echo(db, n));
    await call;
    assertEquals(await Promise.all(behind), range(5));
    assertEquals(await written(database), [{ n: 1, times: 1 }, { n: 2, times: 1 }]);
    await database.db.script("truncate writes");
  }
});

Deno.test("what committed a part before it failed is not begun again by the driver", async () => {
  await using database = await withWrites();
  // It meets an error upon which the driver sends once more what it has prepared.
  await database.db.script(`
    create procedure write_and_fail(n int) language plpgsql as $$
    begin
      insert into writes values (n);
      commit;
      if n > 1 then execute 'insert into writes values (current_date)'; end if;
    end $$`);
  const session = connectPatiently(database.settings, { session: true });
  const call = (n: number) => session.query(sql`call write_and_fail(${n}::int)`);
  await call(1);
  const error = await assertRejects(() => call(2), DatabaseError);
  assertEquals(error.code, "42804");
  await session.close();
  assertEquals(await written(database), [{ n: 1, times: 1 }, { n: 2, times: 1 }]);
});

Deno.test("what committed a part before it met another one is not begun again", async () => {
  await using database = await withWrites();
  await using db = pool(database.settings, { size: 1 });
  const block =
    "do $$ begin insert into writes values (1); commit; raise 'met' using errcode = '40P01'; end $$";
  const error = await assertRejects(
    () => db.query(new Statement([block], [])),
    DatabaseError,
    "met",
  );
  assertEquals(error.code, "40P01");
  const session = connectPatiently(database.settings, { session: true });
  const script = `insert into writes values (2); commit; begin; ${fail}`;
  await assertRejects(() => session.script(script), DatabaseError, "met");
  await session.close();
  assertEquals(await written(database), [{ n: 1, times: 1 }, { n: 2, times: 1 }]);
});

Deno.test("in a session's transaction the first error is the one that is told", async () => {
  await using database = await withWrites();
  const session = connectPatiently(database.settings, { session: true });
  await session.script("begin");
  const error = await assertRejects(() => session.query(new Statement([fail], [])), DatabaseError);
  assertEquals(error.code, "40P01");
  await session.close();
});

Deno.test("a query begins no transaction, in which the statements of others would be undone", async () => {
  await using database = await withWrites();
  await using db = pool(database.settings, { size: 1 });
  for (const text of ["begin", " START TRANSACTION", "commit", "rollback", "savepoint one"]) {
    for (const head of heads) {
      await assertRejects(() => db.query(new Statement([head + text], [])), TypeError, "script()");
    }
  }
  await echo(db, 0);
  await db.query(sql`/* a */ select case when true then 1 /* b */ end -- no end of a transaction`);
  await write(db, 1);
  assertEquals(await written(database), [{ n: 1, times: 1 }]);
});

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Database,
  DatabaseError,
  DeadlinePassed,
  sql,
  Statement,
  Unreachable,
} from "../../postgres/mod.ts";
import { Pool } from "../../postgres/pool.ts";
import { driven, type Query, Unit } from "../../postgres/unit.ts";
import { connectPatiently, createDatabase, testServer } from "../support/database.ts";
import { echo, pidOf, pool, soon, until } from "../support/pool.ts";
import { freePort } from "../support/process.ts";
import { readBack } from "../support/writes.ts";

Deno.test("a refused statement leaves its connection in use", async () => {
  await using db = pool(testServer(), { size: 1 });
  const pid = await pidOf(db);
  const error = await assertRejects(() => db.query(sql`select 1 / ${0}::int`), DatabaseError);
  assertEquals(error.code, "22012");
  assertEquals(await pidOf(db), pid);
});

Deno.test("a statement that fails after its first rows leaves nothing in the next one's answer", async () => {
  await using db = pool(testServer(), { size: 1 });
  await echo(db, 0);
  const rows = sql`select 10 / (5 - n) as n from generate_series(1, 10) n`;
  const [failed, ...answers] = await Promise.allSettled([
    db.query(rows),
    db.query(sql`select 7 as n union all select 8`),
    db.query(sql`select 9 as n`),
  ]);
  assert(failed.status === "rejected" && failed.reason.code === "22012");
  assertEquals(answers.map((answer) => answer.status === "fulfilled" && answer.value), [
    [{ n: 7 }, { n: 8 }],
    [{ n: 9 }],
  ]);
});

for (const copy of ["copy t from stdin", "copy t to stdout"]) {
  Deno.test(`${copy} is refused, and nobody gets an answer of another one`, async () => {
    await using database = await createDatabase({ empty: true });
    await database.db.script("create table t as select repeat('x', 100000)");
    await using db = pool(database.settings, { size: 1 });
    const session = connectPatiently(database.settings, { session: true });
    const numbers = [...Array(10).keys()];
    const statement = new Statement([copy], []);
    for (const { query, script } of [db, session]) {
      for (const ask of [() => query(statement), () => script(copy)]) {
        await echo(db, 0);
        const refused = assertRejects(ask, DatabaseError, "use psql");
        const behind = numbers.map((n) => readBack(db, n));
        assertEquals(await Promise.all(behind), numbers);
        await refused;
      }
    }
    await session.close();
  });
}

for (const fails of [DatabaseError, Unreachable]) {
  Deno.test(`of statements that failed by ${fails.name} nothing stays in memory`, async () => {
    const settings = testServer();
    if (fails === Unreachable) settings.port = freePort();
    setFlagsFromString("--expose-gc");
    const collectGarbage: () => void = runInNewContext("gc");
    const own = new Pool(settings, {
      size: 1,
      deadlineMs: 300_000,
      idleMs: 60_000,
      applicationName: "test",
      session: false,
      warn: () => {},
    });
    const text = "select 1 / $1::int";
    const kept: WeakRef<object>[] = [];
    for (let n = 0; n < 100; n++) {
      const unit = new Unit(
        text,
        (sql, prepare) => {
          const query = driven(sql, text, ["0"], prepare) as unknown as Query & { strings: object };
          kept.push(new WeakRef(query.strings));
          return query;
        },
        () => {},
        false,
      );
      await assertRejects(() => own.run(unit), fails);
    }
    // Of the last ones the driver may still know.
    await until(() => {
      collectGarbage();
      return kept.filter((query) => query.deref()).length < 10;
    });
    await own.close();
  });
}

/** A function that fails with `code` at its first calls and says which call succeeded. */
async function flaky(db: Database, code: string, failures: number) {
  await db.script(`
    create sequence calls;
    create function flaky() returns bigint language plpgsql as $$
    begin
      if nextval('calls') <= ${failures} then
        raise exception 'not yet' using errcode = '${code}';
      end if;
      return currval('calls');
    end $$`);
}

const calls = sql`select last_value::int as n from calls`;

for (const code of ["40001", "40P01"]) {
  Deno.test(`${code} is tried again, five times in all`, async () => {
    await using database = await createDatabase({ empty: true });
    await flaky(database.db, code, 4);
    assertEquals(await database.db.query<unknown>(sql`select flaky()::int as n`), [{ n: 5 }]);
    await database.db.script("drop function flaky; drop sequence calls");
    await flaky(database.db, code, 9);
    const error = await assertRejects(() => database.db.query(sql`select flaky()`), DatabaseError);
    assertEquals(error.code, code);
    assertEquals(await database.db.query<unknown>(calls), [{ n: 5 }]);
  });
}

Deno.test("any other refusal is not tried again", async () => {
  await using database = await createDatabase({ empty: true });
  await flaky(database.db, "23505", 1);
  await assertRejects(() => database.db.query(sql`select flaky()`), DatabaseError, "not yet");
  assertEquals(await database.db.query<unknown>(calls), [{ n: 1 }]);
});

Deno.test("two statements that block each other both succeed", async () => {
  await using database = await createDatabase({ empty: true });
  await database.db.script(`
    create table rows (id int, n int);
    insert into rows values (1, 0), (2, 0);
    create function count_both(first int, second int) returns void language plpgsql as $$
    begin
      update rows set n = n + 1 where id = first;
      perform pg_sleep(0.3);
      update rows set n = n + 1 where id = second;
    end $$`);
  await using db = pool(database.settings);
  await Promise.all([
    db.query(sql`select count_both(1, 2)`),
    db.query(sql`select count_both(2, 1)`),
  ]);
  assertEquals(await db.query<unknown>(sql`select n from rows`), [{ n: 2 }, { n: 2 }]);
});

Deno.test("what is undone does not wait for one whose caller has left, nor does what comes later", async () => {
  await using database = await createDatabase({ empty: true });
  await flaky(database.db, "40001", 1);
  await using db = pool(database.settings, { size: 1 });
  await echo(db, 0);
  const call = sql`select flaky()::int as n, pg_sleep(0.1)::text`;
  let leave = () => {};
  const undone = db.query<{ n: number }>(call);
  const left = assertRejects(() => db.query(call, (stop) => leave = stop), DeadlinePassed);
  leave();
  await left;
  assert((await soon(undone))[0]!.n >= 2);
  assert((await soon(db.query<{ n: number }>(call)))[0]!.n >= 3);
});

Deno.test("many statements that each wait for all others are all done", async () => {
  await using database = await createDatabase({ empty: true });
  // As rows that exclude each other: each is written first, and waits for whoever is there then.
  await database.db.script(`
    create function alone(me int) returns int language plpgsql as $$
    declare
      other bigint;
    begin
      perform pg_advisory_xact_lock(me), pg_sleep(0.1);
      loop
        select objid into other from pg_locks join pg_database d on d.oid = database
        where locktype = 'advisory' and mode = 'ExclusiveLock' and granted and objid <> me
          and datname = current_database()
        limit 1;
        if not found then
          return me;
        end if;
        perform pg_advisory_lock_shared(other), pg_advisory_unlock_shared(other);
      end loop;
    end $$`);
  await using db = pool(database.settings, { size: 3 });
  const all = Array.from({ length: 6 }, (_, n) => n);
  const done = await Promise.all(all.map((n) => db.query<unknown>(sql`select alone(${n}) as n`)));
  assertEquals(done, all.map((n) => [{ n }]));
});

Deno.test("a statement whose table changed is prepared anew", async () => {
  await using database = await createDatabase({ empty: true });
  await using db = pool(database.settings, { size: 1 });
  await db.script("create table t (a int); insert into t values (1)");
  const all = () => db.query<unknown>(sql`select t.* from t where a = ${1}`);
  assertEquals(await all(), [{ a: 1 }]);
  await db.script("alter table t add column b text default 'new'");
  assertEquals(await all(), [{ a: 1, b: "new" }]);
});

Deno.test("of a thousand texts the server keeps 500 at most on a connection, and each is answered", async () => {
  await using db = pool(testServer(), { size: 1 });
  const numbers = [...Array(1000).keys()];
  const answers = numbers.map(async (n) => {
    const [row] = await db.query<{ n: number }>(new Statement([`select ${n} as n`], []));
    return row!.n;
  });
  assertEquals(await Promise.all(answers), numbers);
  const [row] = await db.query<{ kept: number }>(sql`
    select count(*)::int as kept from pg_prepared_statements`);
  assert(row!.kept <= 500, `${row!.kept} kept`);
});

Deno.test("an array is read as one, on whichever connection", async () => {
  const row = sql`
    select array['a,b', null, '"c"'] as texts, '{{1,2},{3,4}}'::int[] as numbers,
      array[true, false] as booleans, '{9007199254740993}'::bigint[] as long, '{}'::name[] as none`;
  for (const session of [true, false]) {
    const db = connectPatiently(testServer(), { session, size: 1 });
    assertEquals(await db.query<unknown>(row), [{
      texts: ["a,b", null, '"c"'],
      numbers: [[1, 2], [3, 4]],
      booleans: [true, false],
      long: ["9007199254740993"],
      none: [],
    }]);
    await db.close();
  }
});

Deno.test("a parameter that is undefined is the program's mistake, not the network's", async () => {
  await using db = pool(testServer(), { size: 1 });
  const error = await assertRejects(() => db.query(sql`select ${undefined}::int`), Error);
  assert(!(error instanceof Unreachable) && !(error instanceof DatabaseError), String(error));
  assertEquals(await echo(db, 1), 1);
});

Deno.test("what a script sets or leaves open ends with it", async () => {
  await using database = await createDatabase({ empty: true });
  await using db = pool(database.settings, { size: 1 });
  await db.script("set search_path = nowhere; begin; create table public.left_open ()");
  assertEquals(
    await db.query<unknown>(sql`
      select current_setting('search_path') as path, to_regclass('public.left_open') as found
    `),
    [{ path: '"$user", public', found: null }],
  );
});

Deno.test("a violated constraint is told by its name, also by Citus, which passes on the message alone", async () => {
  await using database = await createDatabase({ empty: true });
  const { db } = database;
  await db.script("create table rooms (id int, constraint rooms_id_check check (id > 0))");
  const own = await assertRejects(() => db.query(sql`insert into rooms values (0)`), DatabaseError);
  assertEquals([own.constraint, own.fields.table_name], ["rooms_id_check", "rooms"]);
  const passedOn = async (code: string, message: string) => {
    const raise = `do $$ begin raise '${message}' using errcode = '${code}'; end $$`;
    const error = await assertRejects(() => db.script(raise), DatabaseError);
    assertEquals(error.code, code === "XX000" ? "23505" : code);
    return [error.constraint, error.fields.table_name, error.fields.column_name];
  };
  assertEquals(
    await passedOn(
      "23503",
      'insert or update on table "todos_102041" violates foreign key constraint "todos_student_id_fkey_102041"',
    ),
    ["todos_student_id_fkey", "todos", undefined],
  );
  assertEquals(
    await passedOn("23505", 'duplicate key value violates unique constraint "rooms_2024_key"'),
    ["rooms_2024_key", undefined, undefined],
  );
  assertEquals(
    await passedOn("XX000", 'duplicate key value violates unique constraint "rooms_pkey_102021"'),
    ["rooms_pkey", undefined, undefined],
  );
  assertEquals(
    await passedOn(
      "23502",
      'null value in column "n" of relation "rooms_102008" violates not-null',
    ),
    [undefined, "rooms", "n"],
  );
  assertEquals(await passedOn("22012", 'division of constraint "x"'), [
    undefined,
    undefined,
    undefined,
  ]);
});

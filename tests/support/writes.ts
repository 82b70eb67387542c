/** Writes that are counted, reads that are told apart, and a lock that holds them up. */
import { type Database, sql } from "../../postgres/mod.ts";
import { createDatabase, type TestDatabase } from "./database.ts";
import { holdLock } from "./locks.ts";

export const range = (n: number) => [...Array(n).keys()];

export const readBack = (db: Database, n: number) =>
  db.read<{ n: number }>(sql`select ${n}::int as n`).then(([row]) => row!.n);

/** A table that counts how often each write was done. */
export async function withWrites() {
  const database = await createDatabase({ empty: true });
  await database.db.script("create table writes (n int); create table locked (id int, n int)");
  await database.db.script("insert into locked values (1, 0)");
  return database;
}

export const write = (db: Database, n: number) =>
  db.query(sql`insert into writes values (${n}::int)`);

export const written = ({ db }: TestDatabase) =>
  db.query<{ n: number; times: number }>(sql`
    select n, count(*)::int as times from writes group by n order by n`);

/** Holds the lock of the only row of `locked` until the end of its scope. */
export const hold = ({ settings }: TestDatabase) =>
  holdLock(settings, "update locked set n = n + 1");

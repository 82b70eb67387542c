import { assert, assertEquals } from "@std/assert";
import { type Database, DeadlinePassed, sql } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { connectPatiently, testServer } from "./database.ts";

/** It runs until somebody stops it. */
export const never = sql`select pg_sleep(600)`;

/**
 * A pool that closes at the end of its scope and then proves that the server has let go of it;
 * `admin` is connected to that server where it is not the one of all tests.
 */
export function pool(
  settings: DatabaseSettings,
  options: { size?: number; deadlineMs?: number } = {},
  admin?: Database,
) {
  const applicationName = `test ${crypto.randomUUID()}`;
  const db = connectPatiently(settings, { ...options, applicationName });
  return {
    ...db,
    backends: (admin: Database) => countBackends(admin, applicationName),
    async [Symbol.asyncDispose]() {
      await db.close();
      const asked = admin ?? connectPatiently(testServer(), { size: 1 });
      await until(async () => await countBackends(asked, applicationName) === 0);
      if (!admin) await asked.close();
    },
  };
}

async function countBackends(admin: Database, applicationName: string): Promise<number> {
  const [row] = await admin.query<{ n: number }>(sql`
    select count(*)::int as n from pg_stat_activity where application_name = ${applicationName}
  `);
  return row!.n;
}

/** Waits for what happens in its own time, however slow the machine is. */
export async function until(condition: () => boolean | Promise<boolean>) {
  for (let attempt = 0; !await condition(); attempt++) {
    assert(attempt < 3600, "it did not come true within three minutes");
    await pause(50);
  }
}

/** What has to come without waiting for anything. Gives up after three minutes. */
export async function soon<Value>(coming: Promise<Value>): Promise<Value> {
  let come = false;
  coming.then(() => come = true, () => come = true);
  await until(() => come);
  return await coming;
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

export async function pidOf(db: Database): Promise<number> {
  return (await db.query<{ pid: number }>(sql`select pg_backend_pid() as pid`))[0]!.pid;
}

/** The same of a pool whose deadline is short: one that a slow machine does not meet is asked again. */
export async function echoInTime(db: Database, n: number): Promise<number> {
  for (;;) {
    try {
      return await echo(db, n);
    } catch (error) {
      if (!(error instanceof DeadlinePassed)) throw error;
    }
  }
}

export async function echo(db: Database, n: number): Promise<number> {
  return (await db.query<{ n: number }>(sql`select ${n}::int as n`))[0]!.n;
}

/** Whether a connection has more than one statement, when there is more to do than connections. */
export async function severalUnderWay(db: Database): Promise<boolean> {
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  const answers = Promise.all(numbers.map((n) => echo(db, n)));
  const { open, underWay } = db.stats();
  assertEquals(await answers, numbers);
  return underWay > open;
}

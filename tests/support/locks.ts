/** Who holds a lock, and who waits for it: so that a test knows who came first without a clock. */
import { type Database, sql } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { connectPatiently, testWorkers } from "./database.ts";
import { until } from "./pool.ts";

/** Of a cluster: its coordinator does not know who waits for a lock on another node. */
const onOtherNodes = testWorkers().length > 0;

/** A transaction that has done `text`, and holds what that locks until it ends. */
export async function holdLock(settings: DatabaseSettings, text: string) {
  const session = connectPatiently(settings, { session: true, applicationName: "holder" });
  await session.script(`begin; ${text}`);
  return {
    commit: () => session.script("commit"),
    /** What is not committed by then is rolled back. */
    [Symbol.asyncDispose]: () => session.close(),
  };
}

/** Waits until at least so many statements with this text wait for a lock. */
export function untilLocked(db: Database, text: string, least = 1): Promise<void> {
  return until(async () => await countLocked(db, text) >= least);
}

/** Waits until nobody is connected to the database any more, so that it can be copied. */
export async function untilLeft({ database, ...server }: DatabaseSettings) {
  const db = connectPatiently({ ...server, database: "postgres" }, { size: 1 });
  await until(async () => {
    const left = await db.query(sql`select from pg_stat_activity where datname = ${database}`);
    return left.length === 0;
  });
  await db.close();
}

/** How many statements with this text wait for a lock. */
export async function countLocked(db: Database, text: string): Promise<number> {
  const waiting = await db.query(sql`
    select from pg_stat_activity
    where datname = current_database() and state = 'active' and pid <> pg_backend_pid()
      and position(${text} in query) > 0
      and (wait_event_type = 'Lock'
        or ${onOtherNodes}::boolean and query_start < now() - interval '200 ms')`);
  return waiting.length;
}

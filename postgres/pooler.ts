import { Unreachable } from "./errors.ts";
import { Pool } from "./pool.ts";
import type { PoolOptions } from "./pool_options.ts";
import type { DatabaseSettings } from "./settings.ts";
import { driven, Unit } from "./unit.ts";

/**
 * How often one of two connections is asked whether it still has the server that it had. Chance says
 * which: a pooler that deals out two servers, in whatever order, gives each time the right one in one
 * of 4,096 cases at most.
 */
const times = 12;

const text =
  "select pg_backend_pid() as pid, (select string_agg(name, ' ') from pg_prepared_statements) as names";

interface Answer {
  pid: number;
  /** The server has the statement under the name that we gave it. */
  underOurName: boolean;
  /** The same object as long as it is the same connection. */
  connection: object;
}

/**
 * Whether a statement that was prepared through this pooler is there for the next one: where the
 * pooler gives it a name of its own, since it prepares it again on each server; and where each
 * connection keeps its server. Opens two connections for a few round trips, or until the signal.
 * Throws Unreachable, DeadlinePassed or DatabaseError, and knows nothing then.
 */
export async function keepsStatements(
  settings: DatabaseSettings,
  options: PoolOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const open = () => new Pool(settings, { ...options, size: 1, warn: () => {} });
  const one = open();
  const other = open();
  try {
    const first = await ask(one, signal);
    if (!first.underOurName) return true;
    const second = await ask(other, signal);
    let alone = first.pid !== second.pid;
    for (let asked = 0; alone && asked < times; asked++) {
      const [pool, before] = Math.random() < 0.5 ? [one, first] as const : [other, second] as const;
      const { pid, connection } = await ask(pool, signal);
      // That a new connection has another server says nothing.
      if (connection !== before.connection) throw new Unreachable("the connection broke");
      alone = pid === before.pid;
    }
    return alone && one.prepared.inUse && other.prepared.inUse;
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
}

async function ask(pool: Pool, signal: AbortSignal): Promise<Answer> {
  signal.throwIfAborted();
  const unit = new Unit(
    text,
    (sql, prepare) => driven(sql, text, [], prepare),
    (raw) => {
      const { 0: row, statement, state } = raw as {
        0: { pid: number; names: string | null };
        statement: { name: string };
        state: object;
      };
      return {
        pid: row.pid,
        underOurName: row.names?.split(" ").includes(statement.name) ?? false,
        connection: state,
      };
    },
    true,
  );
  let stop = () => {};
  try {
    return await pool.run(unit, (how) => signal.addEventListener("abort", stop = how));
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

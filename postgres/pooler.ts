import { Unreachable } from "./errors.ts";
import { Pool } from "./pool.ts";
import type { PoolOptions } from "./pool_options.ts";
import type { DatabaseSettings } from "./settings.ts";
import { driven, Unit } from "./unit.ts";

/** How often two connections are asked whether each still has the server that it had. */
const rounds = 5;

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
    for (let round = 0; alone && round < rounds; round++) {
      alone = await keepsServer(other, second, signal) && await keepsServer(one, first, signal);
    }
    return alone && one.prepared.inUse && other.prepared.inUse;
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
}

async function keepsServer(pool: Pool, before: Answer, signal: AbortSignal): Promise<boolean> {
  const { pid, connection } = await ask(pool, signal);
  // That a new connection has another server says nothing.
  if (connection !== before.connection) throw new Unreachable("the connection broke");
  return pid === before.pid;
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

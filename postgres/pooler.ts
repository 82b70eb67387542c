import { Unreachable } from "./errors.ts";
import { Pool } from "./pool.ts";
import type { PoolOptions } from "./pool_options.ts";
import type { DatabaseSettings } from "./settings.ts";
import { driven, Unit } from "./unit.ts";

const times = 12;

/**
 * Whether two connections each keep a server of their own, as far as can be seen from outside. A
 * pooler in transaction mode deals out its servers by statement, to others too, so one look may see
 * what it wants: it takes twelve more round trips, and chance says which of the two is asked. A pooler
 * that deals out two servers, in whatever order, gives each time the right one in one of 4,096 cases
 * at most. Rejects as the two do.
 */
export async function keepApart(
  one: () => Promise<number>,
  other: () => Promise<number>,
): Promise<boolean> {
  const first = await one();
  const second = await other();
  let apart = first !== second;
  for (let asked = 0; apart && asked < times; asked++) {
    apart = Math.random() < 0.5 ? await one() === first : await other() === second;
  }
  return apart;
}

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
    const server = (pool: Pool) => {
      let before: object | undefined;
      return async () => {
        const { pid, connection } = await ask(pool, signal);
        // That a new connection has another server says nothing.
        if (connection !== (before ??= connection)) throw new Unreachable("the connection broke");
        return pid;
      };
    };
    return await keepApart(server(one), server(other)) && one.prepared.inUse &&
      other.prepared.inUse;
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

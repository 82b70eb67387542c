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
}

/**
 * Whether a statement that was prepared through this pooler is there for the next one: where the
 * pooler gives it a name of its own, since it prepares it again on each server; and where each
 * connection keeps its server. Opens two connections for a few round trips.
 * Throws Unreachable, DeadlinePassed or DatabaseError, and knows nothing then.
 */
export async function keepsStatements(
  settings: DatabaseSettings,
  options: PoolOptions,
): Promise<boolean> {
  const open = () => new Pool(settings, { ...options, size: 1, warn: () => {} });
  const one = open();
  const other = open();
  try {
    const first = await ask(one);
    if (!first.underOurName) return true;
    const second = await ask(other);
    let alone = first.pid !== second.pid;
    for (let round = 0; alone && round < rounds; round++) {
      alone = (await ask(other)).pid === second.pid && (await ask(one)).pid === first.pid;
    }
    return alone && one.prepared.inUse && other.prepared.inUse;
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
}

function ask(pool: Pool): Promise<Answer> {
  return pool.run(
    new Unit(
      text,
      (sql, prepare) => driven(sql, text, [], prepare),
      (raw) => {
        const { 0: row, statement } = raw as { 0: { pid: number; names: string | null } } & {
          statement: { name: string };
        };
        return {
          pid: row.pid,
          underOurName: row.names?.split(" ").includes(statement.name) ?? false,
        };
      },
      true,
    ),
  );
}

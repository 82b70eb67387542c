import {
  connect,
  type Database,
  DatabaseError,
  DeadlinePassed,
  type Hold,
  sql,
  type Statement,
} from "./mod.ts";
import type { DatabaseSettings } from "./settings.ts";

/** A streaming replica, for reads that may be a moment behind but never behind their caller. */
export interface Replica {
  /**
   * A database for one read. It asks the replica, and where that is away, or has not replayed the
   * transaction `written` yet, the primary: a round trip more, and the same answer as without it.
   */
  after(written: string): Database;
  close(): Promise<void>;
}

/** Milliseconds that a replica has for its answer; the primary has the whole deadline after it. */
const replicaDeadlineMs = 2000;

/** Milliseconds for which nobody asks it after it failed. */
const replicaPauseMs = 5000;

/** SQLSTATE of what is wrong with a statement or its values, wherever it is asked. */
const ownFault = /^(22|42)/;

interface Seen {
  is_replica: boolean;
  caught_up: boolean;
  caller_id: string | null;
}

/**
 * Opens no connection before the first read. `warn` gets a sentence when the URL turns out to name
 * a primary, which is not read from: it would not take any load off the other one.
 */
export function connectReplica(
  settings: DatabaseSettings,
  primary: Database,
  options: {
    size: number;
    warn: (text: string) => void;
    /** Makes of the connection to the replica one that is measured. */
    observe?: (db: Database) => Database;
  },
): Replica {
  const { size, observe = (db) => db } = options;
  const warn = (text: string) =>
    options.warn(text.replaceAll("DATABASE_URL", "DATABASE_REPLICA_URL"));
  const db = observe(connect(settings, { size, deadlineMs: replicaDeadlineMs, warn }));
  let askedAgainAt = 0;
  let warned = false;

  /** The rows; undefined where the replica cannot tell them. */
  async function fromReplica<Row>(
    statement: Statement,
    written: string,
    hold: Hold,
  ): Promise<Row[] | undefined> {
    // Not by LSN: in the statement that writes, that of its own commit is not known yet. All
    // transactions below a snapshot's xmin are over, and the replica has replayed their end. Where
    // one below is still open, that says less than it could, and the primary is asked.
    const [row] = await db.read<Seen & Row>(
      sql`
      select seen.*, answer.*
      from (
        select
          pg_is_in_recovery() as is_replica,
          ${written}::xid8 < pg_snapshot_xmin(pg_current_snapshot()) as caught_up
      ) seen
      left join lateral (${statement}) answer on seen.is_replica and seen.caught_up`,
      hold,
    );
    const { is_replica, caught_up, ...answer } = row!;
    if (!is_replica && !warned) {
      warned = true;
      options.warn("DATABASE_REPLICA_URL names a primary, not a replica: it is not read from");
    }
    if (!is_replica) askedAgainAt = performance.now() + replicaPauseMs;
    if (!is_replica || !caught_up) return undefined;
    // The caller's key is unknown, as far as the replica knows: it may be a new one.
    return answer.caller_id === null ? undefined : [answer as Row];
  }

  return {
    after: (written) => ({
      ...primary,
      async read<Row>(statement: Statement, hold?: Hold) {
        if (performance.now() < askedAgainAt) return await primary.read<Row>(statement, hold);
        let left = false;
        let stop = () => {};
        hold?.(() => {
          left = true;
          stop();
        });
        const rows = await fromReplica<Row>(statement, written, (its) => stop = its).catch(
          (error) => {
            // That the caller has left is no fault of the replica, nor is what the caller asks for.
            const isIts = !left && !(error instanceof DatabaseError && ownFault.test(error.code));
            if (isIts) askedAgainAt = performance.now() + replicaPauseMs;
            return undefined;
          },
        );
        if (left && !rows) throw new DeadlinePassed("its caller left");
        return rows ?? await primary.read<Row>(statement, hold);
      },
    }),
    close: () => db.close(),
  };
}

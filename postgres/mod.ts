import { DatabaseError, DeadlinePassed, retriedOn, Unreachable } from "./errors.ts";
import { Pool } from "./pool.ts";
import type { PoolStats } from "./pool_options.ts";
import type { DatabaseSettings } from "./settings.ts";
import { keepsStatements } from "./pooler.ts";
import { sql, Statement } from "./sql.ts";
import { driven, parametersOf, Unit } from "./unit.ts";

export { DatabaseError, DeadlinePassed, retriedOn, sql, Statement, Unreachable };
export type { PoolStats };

/**
 * Is given at once what stops a statement before its time, as its deadline would: for a caller who
 * may leave.
 */
export type Hold = (stop: () => void) => void;

/** What the rest of the program may do with a PostgreSQL. Safe to share. */
export interface Database {
  /**
   * Runs one statement, which is one unit of work and, on a warm connection, one round trip.
   * A serialization failure or a deadlock (40001, 40P01) is tried again after a random pause, a few
   * times, since nothing was done; those that met come one after the other then. Not in a session, and
   * not what may commit on its way, as a procedure does: it has a connection to itself, and is begun once.
   * Throws DatabaseError, Unreachable or DeadlinePassed.
   */
  query<Row>(statement: Statement, hold?: Hold): Promise<Row[]>;
  /**
   * The same for a statement that changes nothing: if its connection breaks while it is under way,
   * it is asked once more on another one.
   */
  read<Row>(statement: Statement, hold?: Hold): Promise<Row[]>;
  /**
   * The parameters' and the columns' types of a statement, which is parsed and not run, on a connection
   * that is not used again, but for a `session`.
   */
  describe(statement: Statement): Promise<Description>;
  /**
   * Several statements in one text, without parameters: DDL, for tools and tests. What it sets or
   * leaves open ends with it: its connection is not used again, but for a `session`. A pooler in
   * transaction mode keeps what is set for whoever comes next: `set` has no place there.
   */
  script(text: string): Promise<void>;
  /** What the pool is at, for the metrics. */
  stats(): PoolStats;
  /** Lets the work in hand finish, refuses what waits and what comes, closes every connection. */
  close(): Promise<void>;
}

export interface Description {
  /** The parameters' type oids. */
  types: number[];
  /** `table` is the oid of the column's table, 0 for an expression; `number` its attribute. */
  columns: { name: string; type: number; table: number; number: number }[];
}

export interface ConnectOptions {
  /** Connections at most. 10 keep two database cores busy. */
  size?: number;
  /** Milliseconds a call may take, the wait for a connection and the retries included. */
  deadlineMs?: number;
  /** Milliseconds until a connection that nobody uses is closed; by default a minute. */
  idleMs?: number;
  applicationName?: string;
  /**
   * One connection for everything, so that a transaction or a temporary table that a script opens
   * is there for what follows. For a tool on a database of its own.
   */
  session?: boolean;
  /** Gets a sentence when the database turns out to be one that something has to be done about. */
  warn?: (text: string) => void;
}

/** What PostgreSQL skips before the first word; of comments inside comments two levels. */
const inComment = String.raw`[^*/]|\*(?!/)|/(?!\*)`;
const skipped = String
  .raw`[\s;]|--[^\r\n]*(?:[\r\n]|$)|/\*(?:${inComment}|/\*(?:${inComment})*\*/)*\*/`;

const beginsWith = (words: string) => new RegExp(`^(?:${skipped})*(?:${words})\\b`, "i");

/** What may commit on its way: begun twice, half of it would be done twice. */
const commits = beginsWith(
  String.raw`call|do|vacuum|reindex|cluster|(?:create|drop|alter)\b[^]*\bconcurrently`,
);

/** What opens or ends a transaction, in which the statements of other callers would be. */
const transaction = beginsWith(
  String
    .raw`begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction`,
);

/**
 * The only place that opens connections; none is opened before the first statement.
 *
 * postgres.js 3.4.9 can end the process, answer with another statement's error, or wait for ever
 * when a backend dies or a network goes silent, and loses track of its answers when a statement that
 * it cannot send stands among others. What holds in all of those cases: clients of a single
 * connection each, whole statements handed over that cannot fail on their way, a deadline of our own,
 * and a client that saw anything but a plain error of a statement is never used again.
 */
export function connect(settings: DatabaseSettings, options: ConnectOptions = {}): Database {
  const { session = false } = options;
  const poolOptions = {
    size: session ? 1 : options.size ?? 10,
    deadlineMs: options.deadlineMs ?? 10_000,
    idleMs: options.idleMs ?? 60_000,
    applicationName: options.applicationName ?? "slate",
    session,
    warn: options.warn ?? (() => {}),
  };
  const pool = new Pool(settings, {
    ...poolOptions,
    // A session has one statement under way anyway.
    ...!session && { keepsStatements: (signal) => keepsStatements(settings, poolOptions, signal) },
  });
  // deno-lint-ignore require-await -- a parameter that is nonsense rejects as everything else does
  async function run<Row>(statement: Statement, isRead: boolean, hold?: Hold): Promise<Row[]> {
    const parameters = parametersOf(statement);
    const { text } = statement;
    if (!session && transaction.test(text)) {
      throw new TypeError(
        "a transaction of several statements is for script(): each query is one of its own, on a connection that others share",
      );
    }
    const once = commits.test(text);
    return pool.run(
      new Unit(
        // The driver sends by itself again what was prepared and met some errors.
        once ? undefined : text,
        (sql, prepare) => driven(sql, text, parameters, prepare),
        // A plain array: the driver's own drags the statement and its columns along. Where the statement
        // before failed after its first rows, it begins with as many holes, which filter() leaves out.
        (rows) => (rows as Row[]).filter(() => true),
        session || once,
        isRead && !once,
        once,
      ),
      hold,
    );
  }
  return {
    query: (statement, hold) => run(statement, false, hold),
    read: (statement, hold) => run(statement, true, hold),
    describe: ({ text, values }) =>
      pool.run(
        new Unit(
          undefined,
          (sql) => driven(sql, text, values.map(() => null), true).describe(),
          (raw) => {
            const { types, columns } = raw as Description;
            return { types, columns };
          },
          true,
          false,
          // An error that comes after the description has the driver ask once more, and all that it is
          // answered from then on goes to the wrong ones.
          true,
        ),
      ),
    script: (text) =>
      pool.run(
        new Unit(undefined, (sql) => sql.unsafe(text).simple(), () => {}, true, false, true),
      ),
    stats: () => pool.stats(),
    close: () => pool.close(),
  };
}

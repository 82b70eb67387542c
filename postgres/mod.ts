import type postgres from "postgres";
import { Client } from "./client.ts";
import { type Deadline, Deadlines } from "./deadlines.ts";
import { DatabaseError, DeadlinePassed, Unreachable } from "./errors.ts";
import type { DatabaseSettings } from "./settings.ts";
import { sql, Statement } from "./sql.ts";

export { DatabaseError, DeadlinePassed, sql, Statement, Unreachable };

/** What the rest of the program may do with a PostgreSQL. Safe to share. */
export interface Database {
  /**
   * Runs one statement, which is one unit of work and, on a warm connection, one round trip.
   * A serialization failure or a deadlock (40001, 40P01) is tried again after a random pause, a few
   * times, since nothing was done.
   * Throws DatabaseError, Unreachable or DeadlinePassed. `hold` is given at once what stops it before
   * its time, as its deadline would: for a caller who may leave.
   */
  query<Row>(statement: Statement, hold?: (stop: () => void) => void): Promise<Row[]>;
  /** The parameters' and the columns' types of a statement, which is parsed and not run. */
  describe(statement: Statement): Promise<Description>;
  /**
   * Several statements in one text, without parameters: DDL, for tools and tests. What it sets or
   * leaves open ends with it: its connection is not used again, but for a `session`.
   */
  script(text: string): Promise<void>;
  /** What the pool is at, for the metrics. */
  stats(): PoolStats;
  /** Lets the work in hand finish, refuses what waits and what comes, closes every connection. */
  close(): Promise<void>;
}

export interface PoolStats {
  /** Connections at most. */
  size: number;
  /** Connections that are open, and those of them that are at work. */
  open: number;
  busy: number;
  /** Statements that wait for a connection, and those that were sent and are not answered. */
  waiting: number;
  underWay: number;
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
  deadline?: number;
  /** Milliseconds until a connection that nobody uses is closed; by default a minute. */
  idleLimit?: number;
  applicationName?: string;
  /**
   * One connection for everything, so that a transaction or a temporary table that a script opens
   * is there for what follows. For a tool on a database of its own.
   */
  session?: boolean;
}

type Work<Raw> = (sql: postgres.Sql) => PromiseLike<Raw>;

const attemptsOnConflict = 5;

/** A moment of random length, longer each time: what met once must not meet again. */
function pauseAfter(attempt: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * 2 ** attempt));
}

/**
 * The only place that opens connections; none is opened before the first statement.
 *
 * postgres.js 3.4.9 can end the process, answer with another statement's error, or wait for ever
 * when a backend dies or a network goes silent. What holds in all of those cases: clients of a
 * single connection each, one unit of work per client at a time, a deadline of our own, and a
 * client that saw anything but a plain error of its statement is never used again.
 */
export function connect(settings: DatabaseSettings, options: ConnectOptions = {}): Database {
  const { session = false, idleLimit = 60_000, applicationName = "slate" } = options;
  const size = session ? 1 : options.size ?? 10;
  const deadlines = new Deadlines(options.deadline ?? 10_000);
  const idle: Client[] = [];
  const waiting = new Set<PromiseWithResolvers<Client>>();
  const leaving = new Set<Promise<void>>();
  let open = 0;
  let inHand = 0;
  let closing = false;
  let sweeper: ReturnType<typeof setTimeout> | undefined;
  const drained = Promise.withResolvers<void>();

  function acquire(deadline: Deadline): Client | Promise<Client> {
    // The last used first: the others may idle away.
    const client = idle.pop();
    if (client) return client;
    if (open < size) {
      open++;
      return new Client(settings, applicationName, deadlines.length, session);
    }
    const waiter = Promise.withResolvers<Client>();
    waiting.add(waiter);
    deadline.otherwise(() => {
      waiting.delete(waiter);
      waiter.reject(
        new DeadlinePassed(`all ${size} connections were busy for ${deadlines.length} ms`),
      );
    });
    return waiter.promise;
  }

  function release(client: Client) {
    if (client.broken) {
      leave(client.discard());
      open--;
      if (waiting.size === 0) return;
      open++;
      client = new Client(settings, applicationName, deadlines.length, session);
    }
    const [next] = waiting;
    if (!next) {
      idle.push(client);
      // One timer for them all; a tool's session stays, and what it holds with it.
      if (!session) sweeper ??= setTimeout(sweep, idleLimit);
      return;
    }
    waiting.delete(next);
    next.resolve(client);
  }

  /** Closes the connections that have idled long enough: the first ones, since the last is used first. */
  function sweep() {
    const before = performance.now() - idleLimit;
    while (idle[0] && idle[0].usedAt <= before) {
      open--;
      leave(idle.shift()!.end());
    }
    sweeper = idle[0] && setTimeout(sweep, idle[0].usedAt - before);
  }

  function leave(end: Promise<void>) {
    const left: Promise<void> = end.finally(() => leaving.delete(left));
    leaving.add(left);
  }

  async function unit<Raw, Result>(
    work: Work<Raw>,
    finish: (raw: Raw) => Result,
    { once = false, hold }: { once?: boolean; hold?: (stop: () => void) => void } = {},
  ): Promise<Result> {
    if (closing) throw new Unreachable("the database is closed");
    const deadline = deadlines.start();
    hold?.(() => {
      deadlines.end(deadline);
      deadline.pass();
    });
    inHand++;
    try {
      for (let attempt = 1;; attempt++) {
        const acquired = acquire(deadline);
        const client = acquired instanceof Client ? acquired : await acquired;
        client.usedAt = deadline.at - deadlines.length;
        try {
          return await client.run(work, finish, deadline);
        } catch (error) {
          const conflict = error instanceof DatabaseError && /^40(001|P01)$/.test(error.code);
          if (!conflict || once || attempt === attemptsOnConflict) throw error;
        } finally {
          client.broken ||= once && !session;
          release(client);
        }
        // The connection is somebody else's by now: a deadline that passes must not cut it off.
        deadline.otherwise(() => {});
        await pauseAfter(attempt);
      }
    } finally {
      deadlines.end(deadline);
      inHand--;
      if (closing && inHand === 0) drained.resolve();
    }
  }

  return {
    query: <Row>(statement: Statement, hold?: (stop: () => void) => void) =>
      // A plain array: the driver's own drags the statement and its columns along.
      unit((sql) => driven(sql, statement), (rows) => rows.slice() as Row[], { hold }),
    describe: (statement) =>
      unit(
        (sql) => driven(sql, statement).describe(),
        ({ types, columns }) => ({ types, columns: columns as unknown as Description["columns"] }),
      ),
    script: (text) => unit((sql) => sql.unsafe(text).simple(), () => {}, { once: true }),
    stats: () => ({
      size,
      open,
      busy: open - idle.length,
      waiting: waiting.size,
      underWay: inHand - waiting.size,
    }),
    async close() {
      closing = true;
      for (const { reject } of waiting) reject(new Unreachable("the database is closing"));
      waiting.clear();
      if (inHand > 0) await drained.promise;
      clearTimeout(sweeper);
      await Promise.all([...idle.splice(0).map((client) => client.end()), ...leaving]);
    },
  };
}

/** The statement as the driver's query, prepared once for each text and connection. */
function driven(sql: postgres.Sql, { text, values }: Statement) {
  return sql.unsafe(text, values as never[], { prepare: true, simple: false } as object);
}

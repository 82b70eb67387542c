import { connect as connectSocket, isIP, type Socket } from "node:net";
import postgres from "postgres";
import { type DatabaseSettings, describeDatabase } from "./settings.ts";

/**
 * A piece of SQL with its parameters. A complete one is a statement; it runs only when it is handed
 * to a Database. Composed with the `sql` tag, which never puts a value into the text.
 */
export type Statement = { readonly statement: unique symbol };

type Tag = (strings: TemplateStringsArray, ...values: unknown[]) => Statement;

/** Writes SQL: `${value}` is a parameter, `${statement}` is SQL inside SQL. */
export const sql = postgres({ max: 0, fetch_types: false, host: "" }) as unknown as Tag;

/** What the rest of the program may do with a PostgreSQL. Safe to share. */
export interface Database {
  /**
   * Runs one statement, which is one unit of work and, on a warm connection, one round trip.
   * A serialization failure or a deadlock (40001, 40P01) is tried again, since nothing was done.
   * Throws DatabaseError, Unreachable or DeadlinePassed.
   */
  query<Row>(statement: Statement): Promise<Row[]>;
  /** The parameters' and the columns' types of a statement, which is parsed and not run. */
  describe(statement: Statement): Promise<Description>;
  /** Several statements in one text, without parameters: DDL, for tools and tests. */
  script(text: string): Promise<void>;
  /** Lets the work in hand finish, then closes every connection. */
  close(): Promise<void>;
}

export interface Description {
  /** The parameters' type oids. */
  types: number[];
  /** `table` is the oid of the column's table, 0 for an expression; `number` its attribute. */
  columns: { name: string; type: number; table: number; number: number }[];
}

/** The server refused the statement. The fields are PostgreSQL's own. */
export class DatabaseError extends Error {
  override name = "DatabaseError";
  constructor(
    message: string,
    /** SQLSTATE, five characters. */
    readonly code: string,
    readonly constraint: string | undefined,
    readonly fields: Record<string, string | undefined>,
  ) {
    super(message);
  }
}

/** There was no connection, or it broke. Whether the statement took effect is unknown. */
export class Unreachable extends Error {
  override name = "Unreachable";
}

/** No answer within the deadline. The statement was cancelled and its connection thrown away. */
export class DeadlinePassed extends Error {
  override name = "DeadlinePassed";
}

export interface ConnectOptions {
  /** Connections at most. 10 keep two database cores busy. */
  size?: number;
  /** Milliseconds a statement may take, the wait for a connection included. */
  deadline?: number;
  applicationName?: string;
}

const retriesOnConflict = 3;

/**
 * The only place that opens connections; none is opened before the first statement.
 *
 * postgres.js 3.4.9 can end the process, answer with another statement's error, or wait for ever
 * when a backend dies or a network goes silent. What holds in all of those cases: clients of a
 * single connection each, one unit of work per client at a time, a deadline of our own, and a
 * client that saw anything but a plain error of its statement is never used again.
 */
export function connect(settings: DatabaseSettings, options: ConnectOptions = {}): Database {
  const { size = 10, deadline = 10_000, applicationName = "slate" } = options;
  const idle: Client[] = [];
  const waiting: { resolve(client: Client): void; reject(error: Error): void }[] = [];
  const busy = new Set<Promise<unknown>>();
  let open = 0;
  let closing = false;

  function acquire(): Client | Promise<Client> {
    if (closing) throw new Unreachable("the database is closed");
    // The last used first: the others may idle away.
    const client = idle.pop();
    if (client) return client;
    if (open < size) {
      open++;
      return new Client(settings, applicationName);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Client>();
    const waiter = { resolve, reject };
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(waiter), 1);
      reject(new DeadlinePassed(`all ${size} connections were busy for ${deadline} ms`));
    }, deadline);
    waiting.push(waiter);
    return promise.finally(() => clearTimeout(timer));
  }

  function release(client: Client) {
    if (client.broken) {
      client.discard();
      open--;
      if (waiting.length === 0 || closing) return;
      open++;
      client = new Client(settings, applicationName);
    }
    const next = waiting.shift();
    if (next) next.resolve(client);
    else idle.push(client);
  }

  async function unit<Result>(work: (client: Client) => PromiseLike<Result>): Promise<Result> {
    const acquired = acquire();
    const client = acquired instanceof Client ? acquired : await acquired;
    try {
      return await client.run(work, deadline);
    } finally {
      release(client);
    }
  }

  function tracked<Result>(promise: Promise<Result>): Promise<Result> {
    busy.add(promise);
    const done = () => busy.delete(promise);
    promise.then(done, done);
    return promise;
  }

  async function query<Row>(statement: Statement): Promise<Row[]> {
    for (let attempt = 1;; attempt++) {
      try {
        return await unit((client) =>
          client.sql`${statement as never}` as unknown as PromiseLike<Row[]>
        );
      } catch (error) {
        const conflict = error instanceof DatabaseError && /^40(001|P01)$/.test(error.code);
        if (!conflict || attempt === retriesOnConflict) throw error;
      }
    }
  }

  return {
    query: (statement) => tracked(query(statement)),
    describe: (statement) =>
      tracked(unit((client) =>
        client.sql`${statement as never}`.describe().then((described) => ({
          types: described.types,
          columns: described.columns as unknown as Description["columns"],
        }))
      )),
    script: (text) => tracked(unit((client) => client.sql.unsafe(text).simple().then(() => {}))),
    async close() {
      closing = true;
      for (const { reject } of waiting.splice(0)) {
        reject(new Unreachable("the database is closing"));
      }
      await Promise.allSettled(busy);
      await Promise.allSettled(idle.splice(0).map((client) => client.end()));
    },
  };
}

/** One connection, opened when it is first used. */
class Client {
  broken = false;
  readonly sql: postgres.Sql;
  #socket: Socket | undefined;
  #ready = true;
  #cancelling = false;
  #cancelled: Promise<unknown> | undefined;

  constructor(settings: DatabaseSettings, applicationName: string) {
    const { host, port, database, user, password, tls, rootCertificate } = settings;
    const where = describeDatabase(settings);
    this.sql = postgres({
      host,
      port,
      database,
      username: user,
      password: password ?? "",
      max: 1,
      // Saves a round trip at connect; arrays are passed as text and cast in SQL.
      fetch_types: false,
      idle_timeout: 60,
      max_lifetime: null,
      backoff: 0,
      onnotice: () => {},
      // As PostgreSQL writes them: a JavaScript Date has no microseconds and no infinity.
      types: {
        date: {
          to: 1184,
          from: [1082, 1114, 1184],
          serialize: (value: unknown) => value,
          parse: (text: string) => text,
        },
      },
      connection: { application_name: applicationName },
      ssl: tls === "off" ? false : {
        rejectUnauthorized: tls === "verified",
        servername: isIP(host) ? undefined : host,
        ca: rootCertificate,
      },
      // Our own socket, so that a discarded client's can be destroyed: end() waits for ever for a
      // peer that is gone. postgres.js also dials again and again while a server hangs up at once.
      socket: () => {
        if (this.#cancelling) return dial(host, port);
        if (this.broken) throw new Unreachable(`the connection to ${where} was given up`);
        if (!this.#ready) {
          throw new Unreachable(`${where} closed the connection before it was ready`);
        }
        this.#ready = false;
        return dial(host, port).then((socket) => this.#socket = socket);
      },
    } as unknown as postgres.Options<Record<never, never>>);
  }

  async run<Result>(
    work: (client: Client) => PromiseLike<Result>,
    deadline: number,
  ): Promise<Result> {
    const pending = work(this);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.broken = true;
      this.#cancel(pending);
      reject(new DeadlinePassed(`no answer within ${deadline} ms`));
    }, deadline);
    try {
      const result = await Promise.race([pending, late]);
      this.#ready = true;
      return result;
    } catch (error) {
      throw this.#explain(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** An error of the statement itself leaves the connection good; every other one ends it. */
  #explain(error: unknown): unknown {
    if (error instanceof postgres.PostgresError && error.severity === "ERROR") {
      this.#ready = true;
      return new DatabaseError(
        error.message,
        error.code,
        error.constraint_name,
        error as unknown as Record<string, string>,
      );
    }
    this.broken = true;
    if (error instanceof DeadlinePassed || error instanceof Unreachable) return error;
    return new Unreachable((error as Error).message, { cause: error });
  }

  /**
   * Asks the server to stop the statement. postgres.js drops the promise of its cancel request, so
   * that a failure there would end the process: this calls what its cancel() calls, and looks.
   */
  #cancel(pending: unknown) {
    const { canceller } = pending as { canceller?: (query: unknown) => Promise<unknown> };
    // A statement that was not sent yet has nobody to ask; the socket's end is enough.
    if (!this.#socket || !canceller) return;
    this.#cancelling = true; // the request dials at once, before canceller() returns
    this.#cancelled = canceller(pending).catch(() => {});
    this.#cancelling = false;
  }

  /**
   * Closes, whatever is in flight. A cancel request gets a second to arrive first: a pooler forgets
   * whom it was for as soon as this connection is gone.
   */
  async discard() {
    if (this.#cancelled) await Promise.race([this.#cancelled, pause(1000)]);
    this.sql.end({ timeout: 0 }).catch(() => {});
    this.#socket?.destroy();
  }

  async end() {
    await this.sql.end({ timeout: 1 });
    this.#socket?.destroy();
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, milliseconds)));
}

function dial(host: string, port: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = host.startsWith("/")
    ? connectSocket(`${host}/.s.PGSQL.${port}`)
    : connectSocket({ host, port, noDelay: true });
  socket.once("error", reject);
  socket.once("connect", () => {
    socket.off("error", reject);
    resolve(socket);
  });
  return promise;
}

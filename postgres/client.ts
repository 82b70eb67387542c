import { readFileSync } from "node:fs";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import postgres from "postgres";
import type { Deadline } from "./deadlines.ts";
import { DatabaseError, DeadlinePassed, fieldsOf, Unreachable } from "./errors.ts";
import { type DatabaseSettings, describeDatabase } from "./settings.ts";

/** What the driver says when the program handed it nonsense: a mistake, not a broken connection. */
const mistakes = new Set(["UNDEFINED_VALUE", "MAX_PARAMETERS_EXCEEDED"]);

/** SQLSTATE of a write that a replica refuses. */
const readOnly = "25006";

/** How long a cancel request may take to arrive, in milliseconds. */
const cancelGrace = 1000;

/** One connection, opened when it is first used, for one unit of work at a time. */
export class Client {
  /** It saw something that is not a plain error of its statement: never to be used again. */
  broken = false;
  /** When its last unit of work began, on the clock that performance.now() reads. */
  usedAt = 0;
  readonly sql: postgres.Sql;
  readonly #settings: DatabaseSettings;
  readonly #deadline: number;
  readonly #sockets = new Set<Socket>();
  /** Whether the last dialled connection has answered, or none was dialled yet. */
  #ready = true;
  #cancelled: Promise<unknown> | undefined;

  constructor(
    settings: DatabaseSettings,
    applicationName: string,
    deadline: number,
    session: boolean,
  ) {
    this.#settings = settings;
    this.#deadline = deadline;
    const { host, port, database, user, password } = settings;
    // Everything that postgres.js would otherwise take from the environment is spelled out.
    this.sql = postgres({
      host,
      port,
      database,
      username: user,
      pass: () => password ?? "",
      max: 1,
      // Saves a round trip at connect; arrays are passed as text and cast in SQL. A tool's session
      // has the time, and reads arrays.
      fetch_types: session,
      prepare: true,
      max_pipeline: 1,
      // A timer of its own for each statement; the pool closes what idles.
      idle_timeout: null,
      connect_timeout: 0,
      max_lifetime: null,
      keep_alive: 60,
      backoff: 0,
      debug: false,
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
      connection: {
        application_name: applicationName,
        ...settings.searchPath && { search_path: settings.searchPath },
      },
      // TLS is ours as well: postgres.js speaks it to a server that has just declined.
      ssl: false,
      sslnegotiation: null,
      socket: () => this.#connect(),
    } as unknown as postgres.Options<Record<never, never>>);
  }

  /** postgres.js dials again and again while a server hangs up at once: one dial a unit of work. */
  #connect(): Promise<Socket> {
    if (this.broken || !this.#ready) {
      throw new Error("the server closed the connection before it was ready");
    }
    this.#ready = false;
    return this.#dial();
  }

  /** Runs one unit of work. Throws DatabaseError, Unreachable or DeadlinePassed. */
  run<Raw, Result>(
    work: (sql: postgres.Sql) => PromiseLike<Raw>,
    finish: (raw: Raw) => Result,
    deadline: Deadline,
  ): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const pending = work(this.sql);
    deadline.otherwise(() => {
      this.broken = true;
      this.#cancelled = this.#cancel(pending);
      reject(new DeadlinePassed(`no answer within ${this.#deadline} ms`));
    });
    pending.then((raw) => {
      this.#ready = true;
      resolve(finish(raw));
    }, (error) => reject(this.#explain(error)));
    return promise;
  }

  /** An error of the statement itself leaves the connection good; every other one ends it. */
  #explain(error: Error & { code?: string }): Error {
    if (error instanceof postgres.PostgresError && error.severity === "ERROR") {
      this.#ready = true;
      // The primary that it was has become a replica: the next connection may find the new one.
      if (error.code === readOnly) this.broken = true;
      const fields = fieldsOf(error);
      return new DatabaseError(error.message, error.code, fields.constraint_name, fields);
    }
    this.broken = true;
    if (error instanceof DeadlinePassed || mistakes.has(error.code ?? "")) return error;
    return new Unreachable(`${describeDatabase(this.#settings)}: ${error.message}`, error.code);
  }

  /**
   * Asks the server, through a connection of its own as the protocol wants it, to stop a statement.
   * Not by postgres.js's cancel(), whose failure nobody can catch and would end the process.
   */
  async #cancel(pending: unknown) {
    const { pid, secret } =
      (pending as { state: { pid?: number; secret?: number } | null }).state ??
        {};
    // A statement that was not sent yet has nobody to ask; the socket's end is enough.
    if (!pid || !secret) return;
    const request = new DataView(new ArrayBuffer(16));
    [16, 80877102, pid, secret].forEach((word, i) => request.setUint32(i * 4, word));
    try {
      const socket = await this.#dial();
      socket.end(new Uint8Array(request.buffer));
      socket.resume();
      await event(socket, "close");
    } catch {
      // The connection is given up in any case.
    }
  }

  /**
   * Closes, whatever is in flight. A cancel request gets a moment to arrive first: a pooler forgets
   * whom it was for as soon as this connection is gone.
   */
  async discard() {
    this.broken = true;
    if (this.#cancelled) await within(cancelGrace, this.#cancelled);
    this.sql.end({ timeout: 0 }).catch(() => {});
    await this.#destroy();
  }

  /** Says goodbye to the server and closes. */
  async end() {
    this.broken = true;
    await this.sql.end({ timeout: 1 });
    await this.#destroy();
  }

  /** end() alone waits for ever for a peer that is gone. */
  async #destroy() {
    await Promise.all(Array.from(this.#sockets, (socket) => {
      const closed = Promise.withResolvers<void>();
      socket.once("close", closed.resolve);
      socket.destroy();
      return closed.promise;
    }));
  }

  /** A connection, encrypted where the settings ask for it, that discard() can always destroy. */
  async #dial(): Promise<Socket> {
    const { host, port, tls, rootCertificate } = this.#settings;
    const socket = host.startsWith("/")
      ? connectPlain(`${host}/.s.PGSQL.${port}`)
      : connectPlain({ host, port, noDelay: true });
    this.#own(socket);
    await event(socket, "connect");
    if (tls === "off") return socket;
    socket.write(Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47)); // SSLRequest
    const answer = await event(socket, "data") as Uint8Array;
    // Exactly one byte: what follows it unencrypted would be taken for the server's later.
    if (answer.length !== 1 || answer[0] !== 83) {
      socket.destroy();
      throw new Error(
        "the server offers no TLS, which sslmode asks for",
      );
    }
    const secure = connectTls({
      socket,
      host,
      servername: isIP(host) ? undefined : host,
      ca: rootCertificate && readFileSync(rootCertificate),
      rejectUnauthorized: tls === "verified",
    });
    this.#own(secure);
    await event(secure, "secureConnect");
    return secure;
  }

  #own(socket: Socket) {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

/** What the event brings; throws when the socket fails or closes before. */
function event(socket: Socket, name: string): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const closed = () => reject(new Error("the server closed the connection"));
  socket.once(name, resolve).once("error", reject).once("close", closed);
  return promise.finally(() => {
    socket.off(name, resolve).off("error", reject).off("close", closed);
  });
}

function within(milliseconds: number, work: Promise<unknown>): Promise<unknown> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

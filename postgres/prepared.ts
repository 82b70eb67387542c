import { setTimeout as pause } from "node:timers/promises";
import type { Backend } from "./socket.ts";

/** Whether the pooler keeps what is prepared; rejects when that cannot be found out now. */
export type Ask = (signal: AbortSignal) => Promise<boolean>;

/** Linux gives no process a greater number, and no other system does. */
const greatestPid = 2 ** 22;

/** Milliseconds until a pooler that could not be asked is asked again; then twice as long, at most. */
const leastPauseMs = 500;
const mostPauseMs = 64_000;

/** Who only starts anew can be asked by then. */
const worthSayingMs = 4000;

/**
 * Whether it is a pooler or a proxy that answers. PostgreSQL says the number of its process; they
 * make one up. PgBouncer takes 32 random bits, one in a thousand of which looks like a process.
 */
function isPooler({ pid }: Backend): boolean {
  return pid < 1 || pid > greatestPid;
}

/**
 * Whether statements are prepared, and several may be under way on one connection: both need a
 * server that stays with its connection, or a pooler that knows what it does. PgBouncer before 1.21
 * sends a prepared statement to a server that has never heard of it; and as soon as all that came
 * whole is answered it lets go of the server, and sends the rest of what came in part to another
 * one, which hangs up. So behind a pooler neither is done before it has been asked.
 */
export class Prepared {
  inUse: boolean;
  /** Connections that ask the pooler now. It may have no more for us than the pool's own. */
  connections = 0;
  /** Nothing is left to be found out, or somebody is at it. */
  #isKnown: boolean;
  #pauseMs = leastPauseMs;
  #asking: Promise<void> | undefined;
  readonly #closing = new AbortController();

  constructor(
    /** True or false, where somebody said so. */
    said: boolean | undefined,
    readonly options: { keepsStatements?: Ask; warn: (text: string) => void },
    /** Those connections are free again. */
    readonly free: () => void,
  ) {
    this.inUse = said !== false;
    this.#isKnown = said !== undefined;
  }

  /** A connection is open. */
  opened(backend: Backend) {
    const { keepsStatements } = this.options;
    if (this.#isKnown || !keepsStatements || !isPooler(backend)) return;
    this.inUse = false;
    this.#isKnown = true;
    this.#asking = this.#findOut(keepsStatements);
  }

  /**
   * A statement that was prepared is not there. That says little of a pooler that keeps them: where one
   * cannot be prepared, as its table is missing for a moment, those behind it are told so.
   */
  forgot() {
    if (!this.inUse) return;
    this.inUse = false;
    this.#isKnown = true;
    const { keepsStatements } = this.options;
    if (keepsStatements) this.#asking = this.#pause().then(() => this.#findOut(keepsStatements));
  }

  async #findOut(ask: Ask) {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      this.connections = 2;
      const keeps = await ask(signal).catch(() => undefined);
      if (signal.aborted) return;
      this.connections = 0;
      this.inUse = keeps === true;
      this.free();
      if (keeps === false) {
        this.options.warn(
          "the database forgets prepared statements, as a pooler does that does not know them: none are used from now on, and each statement has its connection to itself; say prepared_statements=false in DATABASE_URL",
        );
      }
      if (keeps !== undefined) return;
      if (this.#pauseMs === worthSayingMs) {
        this.options.warn(
          "the pooler in front of the database could not be asked yet whether it keeps prepared statements, which takes two connections more: until then none are used, and each statement has its connection to itself; prepared_statements=true or false in DATABASE_URL says it",
        );
      }
      await this.#pause();
    }
  }

  /** Longer each time, so that whoever does not get better is asked once a minute in the end. */
  async #pause() {
    const { signal } = this.#closing;
    await pause(this.#pauseMs, undefined, { signal }).catch(() => {});
    this.#pauseMs = Math.min(this.#pauseMs * 2, mostPauseMs);
  }

  /** Nothing is asked any more. */
  async close() {
    this.#isKnown = true;
    this.#closing.abort();
    await this.#asking;
  }
}

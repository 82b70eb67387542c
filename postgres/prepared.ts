import type { Backend } from "./socket.ts";

/** Linux gives no process a greater number, and no other system does. */
const greatestPid = 2 ** 22;

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
  /** Settled when nothing is being asked. */
  asking: Promise<void> | undefined;
  #isKnown: boolean;

  constructor(
    /** True or false, where somebody said so. */
    said: boolean | undefined,
    /** Whether the pooler keeps them; rejects when that cannot be found out now. */
    readonly ask: (() => Promise<boolean>) | undefined,
    readonly warn: (text: string) => void,
  ) {
    this.inUse = said !== false;
    this.#isKnown = said !== undefined;
  }

  /** A connection is open. */
  opened(backend: Backend) {
    if (this.#isKnown || !this.ask || !isPooler(backend)) return;
    this.#isKnown = true;
    this.inUse = false;
    this.asking = this.ask().then((keeps) => {
      this.inUse = true;
      if (!keeps) this.forgot();
    }, () => {
      // The next connection asks again.
      this.#isKnown = false;
    });
  }

  /** A statement that was prepared is not there any more. */
  forgot() {
    if (!this.inUse) return;
    this.inUse = false;
    this.warn(
      "the database forgets prepared statements, as a pooler does that does not know them: none are used from now on, and each statement has its connection to itself; say prepared_statements=false in DATABASE_URL, or true if it does keep them",
    );
  }
}

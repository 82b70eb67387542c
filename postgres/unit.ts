import postgres from "postgres";
import type { Timed } from "./deadlines.ts";
import type { Statement } from "./sql.ts";

// The driver adds the statement and its values to each error that has no `query`, and then keeps the
// text of every one that ever failed, for as long as the process runs.
Object.assign(postgres.PostgresError.prototype, { query: undefined });

/** What the driver makes of a unit of work; it is sent when somebody waits for it. */
export type Query = PromiseLike<unknown> & {
  /** Whose statement it is, as soon as that is known. */
  state?: { pid?: number; secret?: number } | null;
  /** What the driver met when it sent the statement first, and then sent it again by itself. */
  retried?: { code: string };
};

/** The connection on which units are under way, as far as it matters to the pool. */
export interface Connection {
  readonly underWay: Set<Unit>;
  /** When the last answer came, on the clock of performance.now(). */
  heardAt: number;
  /** Nothing was sent yet. */
  readonly isOpening: boolean;
  /** Stops what is under way and closes it. */
  giveUp(): void;
}

/** One unit of work on its way: what is asked, and what became of it so far. */
export class Unit<Result = unknown> implements Timed {
  deadlineAt = 0;
  /** The connection on which it is under way. */
  client: Connection | undefined;
  query: Query | undefined;
  sentAt = 0;
  /** How long the server will be at it, as it seemed when it was sent. */
  workMs = 0;
  /** Its caller was told: a result, an error, or that it takes too long. */
  done = false;
  /** Its connection broke and it was sent once more. */
  lost = false;
  /** How often it was sent again because the server had refused it, and so had done nothing. */
  repeats = 0;
  /** Why the server did not let it in, while it waits for others that are about to be let in. */
  refusal: Error | undefined;
  /** Until it is sent again. */
  timer: ReturnType<typeof setTimeout> | undefined;
  readonly promise: Promise<Result>;
  readonly #resolve: (result: Result) => void;
  readonly #reject: (error: Error) => void;

  constructor(
    /** As it is prepared; undefined for what cannot be. */
    readonly text: string | undefined,
    readonly start: (sql: postgres.Sql, prepare: boolean) => Query,
    readonly finish: (raw: unknown) => Result,
    /** Nothing may be under way on its connection beside it. */
    public alone: boolean,
    /** It changes nothing, so that it may be done twice. */
    readonly isRead = false,
    /**
     * It may leave something behind on its connection, which is closed after it but for a session, and
     * have done a part when it fails, so that it is not begun twice.
     */
    readonly leavesTraces = false,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  resolve(raw: unknown) {
    this.done = true;
    this.#resolve(this.finish(raw));
  }

  reject(error: Error) {
    this.done = true;
    this.#reject(error);
  }
}

/**
 * The statement as the driver's query. The parameters are text already and handed over past the
 * driver, which would ask for their types first: a round trip more, with half a statement sent, on
 * a connection where others are under way.
 */
export function driven(
  sql: postgres.Sql,
  text: string,
  parameters: (string | null)[],
  prepare: boolean,
): Query & { describe(): Query } {
  const query = sql.unsafe(text, [], { prepare, simple: false } as object);
  return Object.assign(query, { parameters }) as unknown as Query & { describe(): Query };
}

/**
 * Nothing, in place of a query that was not sent yet, for nobody: the driver opens a connection for its
 * first query, and only with it.
 */
export function emptied(query: Query): Unit {
  Object.assign(query, { strings: [""], parameters: [], onlyDescribe: false });
  const unit: Unit = new Unit<unknown>(undefined, () => query, () => {}, true);
  unit.done = true;
  return unit;
}

/** More than the protocol can count would be sent by the driver as nonsense. */
const mostParameters = 65_533;

/** As PostgreSQL reads them. Throws TypeError where the program handed over nonsense. */
export function parametersOf({ values }: Statement): (string | null)[] {
  if (values.length > mostParameters) {
    throw new TypeError(`a statement has ${values.length} parameters, at most ${mostParameters}`);
  }
  return values.map((value, i) => {
    if (value === null || typeof value === "string") return value;
    if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
      return String(value);
    }
    throw new TypeError(`parameter $${i + 1} is ${typeof value}: hand it over as text and cast it`);
  });
}

import { retryLater } from "./_problem.ts";

/** A quick request lets its caller run so many more at a time; a slow one halves that number. */
const more = 8;
const quickMs = 150;
const slowMs = 300;

/** How long a request may wait for the other requests of its caller. */
const maxWaitMs = 10_000;

/**
 * How long what a caller's window grew to outlives its last request. A client that sends its next
 * ones upon the answers is in between without any; one that begins something else takes longer, and
 * what it begins may be slow.
 */
const keptMs = 10;

/** Gives a place back. With a long answer it stays taken until that is `sent`. */
export type Leave = (sent?: Promise<void>) => void;

interface Caller {
  running: number;
  /** Answers that are being read. They take up memory, and nothing of the database. */
  sending: number;
  /** How many may run at once. Grows with each quick request; a slow one halves what it grew to. */
  window: number;
  waiting: Set<() => void>;
  /** When it had no request left, by performance.now(). */
  idleSince: number;
}

/**
 * How much of the database one caller has at a time, so that there is room for the others. A caller
 * has at most `most` requests in flight; one more is 429. Of these `window` run at first: more while
 * the caller's requests are quick, never fewer. A hundred reads of a row hold up nobody, a dozen slow
 * searches would.
 */
export class Shares {
  readonly #callers = new Map<string, Caller>();
  /** Those without a request, the longest first. */
  readonly #idle = new Map<string, Caller>();

  constructor(readonly most: number, readonly window: number) {}

  /** Takes a place and returns what gives it back. Waits where the caller has no window left. Throws 429. */
  enter(name: string): Leave | Promise<Leave> {
    const caller = this.#callers.get(name) ?? this.#begin(name);
    if (caller.running + caller.sending + caller.waiting.size >= this.most) {
      throw retryLater("rate_limited", `${this.most} at once are allowed.`, 1);
    }
    if (caller.running >= Math.floor(caller.window)) return this.#wait(name, caller);
    caller.running++;
    return this.#placeOf(name, caller);
  }

  #begin(name: string): Caller {
    const now = performance.now();
    for (const [idle, { idleSince }] of this.#idle) {
      if (now - idleSince < keptMs) break;
      this.#idle.delete(idle);
    }
    const caller = this.#idle.get(name) ??
      { running: 0, sending: 0, window: this.window, waiting: new Set(), idleSince: now };
    this.#idle.delete(name);
    this.#callers.set(name, caller);
    return caller;
  }

  async #wait(name: string, caller: Caller): Promise<Leave> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    caller.waiting.add(resolve);
    const timer = setTimeout(() => {
      caller.waiting.delete(resolve);
      reject(retryLater("rate_limited", "Your other requests take too long.", 1));
    }, maxWaitMs);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
    return this.#placeOf(name, caller);
  }

  /** What gives a place back, or on to a request that waits. */
  #placeOf(name: string, caller: Caller): Leave {
    const start = performance.now();
    return (sent) => {
      caller.running--;
      if (sent) {
        caller.sending++;
        sent.then(() => {
          caller.sending--;
          this.#rest(name, caller);
        });
      }
      const took = performance.now() - start;
      if (took < quickMs) caller.window = Math.min(this.most, caller.window + more);
      else if (took > slowMs) caller.window = Math.max(this.window, caller.window / 2);
      this.#rest(name, caller);
      for (const go of caller.waiting) {
        if (caller.running >= Math.floor(caller.window)) break;
        caller.running++;
        caller.waiting.delete(go);
        go();
      }
    };
  }

  #rest(name: string, caller: Caller) {
    if (caller.running + caller.sending + caller.waiting.size > 0) return;
    this.#callers.delete(name);
    caller.idleSince = performance.now();
    this.#idle.set(name, caller);
  }
}

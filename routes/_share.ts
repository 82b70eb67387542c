import { retryLater } from "./_problem.ts";

/** A quick request lets its caller run so many more at a time; a slow one halves that number. */
const more = 8;
const quickMs = 150;
const slowMs = 300;

/** How long a request may wait for the other requests of its caller. */
const maxWaitMs = 10_000;

/** Gives a place back. With a long answer it stays taken until that is `sent`. */
export type Leave = (sent?: Promise<void>) => void;

interface Caller {
  running: number;
  /** Answers that are being read. They take up memory, and nothing of the database. */
  sending: number;
  /** How many may run at once. Grows with each quick request; a slow one halves what it grew to. */
  window: number;
  waiting: Set<() => void>;
}

/**
 * How much of the database one caller has at a time, so that there is room for the others. A caller
 * has at most `most` requests in flight; one more is 429. Of these `window` run at first: more while
 * the caller's requests are quick, never fewer. A hundred reads of a row hold up nobody, a dozen slow
 * searches would.
 */
export class Shares {
  readonly #callers = new Map<string, Caller>();

  constructor(readonly most: number, readonly window: number) {}

  /** Takes a place and returns what gives it back. Waits where the caller has no window left. Throws 429. */
  enter(name: string): Leave | Promise<Leave> {
    let caller = this.#callers.get(name);
    if (!caller) {
      caller = { running: 0, sending: 0, window: this.window, waiting: new Set() };
      this.#callers.set(name, caller);
    }
    if (caller.running + caller.sending + caller.waiting.size >= this.most) {
      throw retryLater("rate_limited", `${this.most} at once are allowed.`, 1);
    }
    if (caller.running >= Math.floor(caller.window)) return this.#wait(name, caller);
    caller.running++;
    return this.#placeOf(name, caller);
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
          this.#forget(name, caller);
        });
      }
      const took = performance.now() - start;
      if (took < quickMs) caller.window = Math.min(this.most, caller.window + more);
      else if (took > slowMs) caller.window = Math.max(this.window, caller.window / 2);
      this.#forget(name, caller);
      for (const go of caller.waiting) {
        if (caller.running >= Math.floor(caller.window)) break;
        caller.running++;
        caller.waiting.delete(go);
        go();
      }
    };
  }

  #forget(name: string, { running, sending, waiting }: Caller) {
    if (running + sending + waiting.size === 0) this.#callers.delete(name);
  }
}

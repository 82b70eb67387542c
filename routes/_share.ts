import { tooMany } from "./_problem.ts";

/** A request that is answered sooner earns its caller another at the same time, a later one costs. */
const quickMs = 150;
const slowMs = 300;

/** How long a request may wait for its caller's others, in milliseconds. */
const patienceMs = 10_000;

interface Caller {
  running: number;
  /** How many may run at once: it grows with each quick one, and slow ones make it small. */
  window: number;
  waiting: Set<() => void>;
}

/**
 * How much of the database one caller has at a time, so that others find room in it. At most `most`
 * requests are in hand, 0 for any number, and 429 is for those beyond. Of them as many run as the
 * caller's own have been quick, at first `window`: a hundred reads of a row hold up nobody, a dozen
 * slow searches would.
 */
export class Shares {
  readonly #callers = new Map<string, Caller>();

  constructor(readonly most: number, readonly window: number) {}

  /** Takes a place, and returns what gives it back; waits where the caller's own are slow. */
  enter(name: string): (() => void) | Promise<() => void> {
    let caller = this.#callers.get(name);
    if (!caller) {
      caller = { running: 0, window: this.window, waiting: new Set() };
      this.#callers.set(name, caller);
    }
    if (caller.running + caller.waiting.size >= this.most) {
      throw tooMany(`${this.most} at once are allowed.`, 1);
    }
    if (caller.running >= Math.floor(caller.window)) return this.#wait(name, caller);
    caller.running++;
    return this.#placeOf(name, caller);
  }

  async #wait(name: string, caller: Caller): Promise<() => void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    caller.waiting.add(resolve);
    const timer = setTimeout(() => {
      caller.waiting.delete(resolve);
      reject(tooMany("Your other requests take too long.", 1));
    }, patienceMs);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
    return this.#placeOf(name, caller);
  }

  /** Gives a place that was taken back, or on to those who wait. */
  #placeOf(name: string, caller: Caller): () => void {
    const start = performance.now();
    return () => {
      caller.running--;
      const took = performance.now() - start;
      if (took < quickMs) caller.window = Math.min(this.most, caller.window + 1);
      else if (took > slowMs) caller.window = Math.max(1, caller.window / 2);
      if (caller.running === 0 && caller.waiting.size === 0) this.#callers.delete(name);
      for (const go of caller.waiting) {
        if (caller.running >= Math.floor(caller.window)) break;
        caller.running++;
        caller.waiting.delete(go);
        go();
      }
    };
  }
}

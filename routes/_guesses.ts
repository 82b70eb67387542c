import { Windowed } from "./_counters.ts";
import { retryLater } from "./_problem.ts";

/** Failed authentications a minute and address. */
const failureLimit = 20;

/** The same for keys that were not tried here before, since each may be a good one. */
const trialLimit = 120;

/** The attempts of one address in this minute. */
interface Address {
  failed: number;
  /** Keys that are being tried. Each takes its place before it is known to be wrong. */
  pending: number;
  waiting: (() => void)[];
}

/** How many keys an address may guess. */
export class Guesses {
  readonly #addresses = new Windowed<Address>();
  /** Keys that were wrong in this minute. */
  readonly #wrong = new Windowed<true>();

  /** Counts a key that cannot be one as a failure. Throws 429. */
  malformed(from: string) {
    const address = this.#addressOf(from);
    if (address.failed >= failureLimit) throw this.#refusal();
    address.failed++;
  }

  /**
   * Takes a place for a key that is not known to be good, and returns what gives it back. Waits while
   * other such keys are tried: behind a proxy there are many right after a start. Throws 429.
   */
  async enter(from: string, key: string): Promise<(failed: boolean) => void> {
    const address = this.#addressOf(from);
    for (;;) {
      const limit = this.#wrong.get(key) ? failureLimit : trialLimit;
      if (address.failed >= limit) throw this.#refusal();
      if (address.failed + address.pending < limit) break;
      await new Promise<void>((resolve) => address.waiting.push(resolve));
    }
    address.pending++;
    return (failed) => {
      address.pending--;
      if (failed) {
        address.failed++;
        this.#wrong.set(key, true);
      }
      for (const resolve of address.waiting.splice(0)) resolve();
    };
  }

  #addressOf(from: string): Address {
    const known = this.#addresses.get(from);
    if (known) return known;
    const address = { failed: 0, pending: 0, waiting: [] };
    this.#addresses.set(from, address);
    return address;
  }

  #refusal() {
    const seconds = this.#addresses.secondsLeft();
    return retryLater("rate_limited", "Too many requests without a valid key.", seconds);
  }
}

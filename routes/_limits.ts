import type { Context } from "hono";
import type { Credential } from "../db/_caller.ts";
import { Problem } from "./_problem.ts";

/*
 * How often one may ask. Counted in this instance's memory: the one statement of a request has no
 * room for a shared counter, so behind n instances the limits are up to n times as high.
 *
 * Written here because no library of npm speaks the current draft of the headers
 * (draft-ietf-httpapi-ratelimit-headers, 08 and later): hono-rate-limiter 0.5 stops at draft 7 and
 * its store grows with what is sent to it, rate-limiter-flexible 11 writes no headers.
 */

/** Milliseconds. All counters start again together, which needs neither times nor timers for each. */
const windowLength = 60_000;

/** Failed authentications in a window and from one address. */
const failureLimit = 20;

/** Counters at most. A flood of new names pushes the oldest out instead of filling the memory. */
const most = 100_000;

/** A table that does not grow beyond its limit. */
class Bounded<Value> {
  protected readonly entries = new Map<string, Value>();

  get(name: string): Value | undefined {
    return this.entries.get(name);
  }

  set(name: string, value: Value) {
    if (this.entries.size >= most && !this.entries.has(name)) {
      this.entries.delete(this.entries.keys().next().value!);
    }
    this.entries.set(name, value);
  }

  delete(name: string) {
    this.entries.delete(name);
  }
}

/** Numbers that all start again every minute. */
class Counters extends Bounded<number> {
  #end = 0;

  override get(name: string): number {
    this.secondsLeft();
    return super.get(name) ?? 0;
  }

  increment(name: string): number {
    const n = this.get(name) + 1;
    this.set(name, n);
    return n;
  }

  /** Whole seconds until they start again, at least 1. */
  secondsLeft(): number {
    const now = Date.now();
    // A clock that was set back must not make a minute of hours.
    if (now >= this.#end || this.#end > now + windowLength) {
      this.entries.clear();
      this.#end = now + windowLength;
    }
    return Math.ceil((this.#end - now) / 1000);
  }
}

export interface Limits {
  /**
   * Counts a request before its statement, when nobody knows yet whether the key is good. It is
   * counted for the key, and from the first proof on for the user whose key it is: more keys are
   * not more requests. Throws 429. Returns what to do when it is answered.
   */
  admit(c: Context, credential: Credential | undefined): Settle;
}

/** What came of it: whose key it was, or that the answer is 401. Sets the headers. */
type Settle = (answer: Response, callerId: string | undefined) => void;

/** `rateLimit` is in requests a minute and caller, 0 for any number. */
export function createLimits(
  { rateLimit, trustedProxyHeader }: { rateLimit: number; trustedProxyHeader?: string },
): Limits {
  const counts = new Counters();
  const failures = new Counters();
  /** Whose each key is that was proven, until it fails. */
  const owners = new Bounded<string>();
  const policy = `"caller";q=${rateLimit};w=${windowLength / 1000}`;

  function left(used: number): string {
    return `"caller";r=${Math.max(0, rateLimit - used)};t=${counts.secondsLeft()}`;
  }

  return {
    admit(c, credential) {
      const name = credential && nameOf(credential);
      const owner = name && owners.get(name);
      // Whoever shares an address with a guesser and holds a good key goes on.
      const address = owner ? undefined : addressOf(c, trustedProxyHeader);
      if (address !== undefined && failures.get(address) >= failureLimit) {
        throw tooMany("Too many requests without a valid key.", failures.secondsLeft());
      }
      const counted = rateLimit === 0 ? undefined : owner ?? name;
      if (counted !== undefined) {
        const used = counts.increment(counted);
        if (used > rateLimit) {
          throw tooMany(`${rateLimit} a minute are allowed.`, counts.secondsLeft(), {
            "ratelimit-policy": policy,
            "ratelimit": left(used),
          });
        }
      }
      return (answer, callerId) => {
        if (answer.status === 401) {
          if (name) {
            counts.delete(name);
            owners.delete(name);
          }
          const address = addressOf(c, trustedProxyHeader);
          if (address !== undefined) failures.increment(address);
        } else if (name && callerId !== undefined) {
          owners.set(name, callerId);
          if (rateLimit === 0) return;
          const used = counted === callerId ? counts.get(callerId) : counts.increment(callerId);
          answer.headers.set("ratelimit-policy", policy);
          answer.headers.set("ratelimit", left(used));
        }
      };
    },
  };
}

/** Never the ids alone: they are no secret, and anybody could use up another's requests. */
function nameOf({ ownerId, keyId, hash }: Credential): string {
  return `${ownerId}:${keyId}:${hash}`;
}

/**
 * Who is at the other end. Of a header that our own proxy adds to, only the last element is the
 * proxy's word. Addresses of IPv6 count by the /64, which is what one customer has. Undefined where
 * there is no network in between.
 */
function addressOf(c: Context, trustedProxyHeader: string | undefined): string | undefined {
  const connection: { remoteAddr?: { hostname?: string } } | undefined = c.env;
  const given = trustedProxyHeader && c.req.header(trustedProxyHeader);
  const address = given
    ? given.split(",").at(-1)!.trim().slice(0, 64)
    : connection?.remoteAddr?.hostname;
  return address?.includes(":") ? networkOf(address) : address;
}

function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return mapped[1]!;
  const [head = "", tail] = address.toLowerCase().split("%")[0]!.split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail ? tail.split(":") : [];
  while (tail !== undefined && groups.length + rest.length < 8) groups.push("0");
  return [...groups, ...rest].slice(0, 4).map((group) => group.padStart(4, "0")).join(":");
}

function tooMany(detail: string, seconds: number, headers: Record<string, string> = {}): Problem {
  return new Problem("rate_limited", detail, {
    headers: { "retry-after": String(seconds), ...headers },
  });
}

import type { Context } from "hono";
import type { Credential } from "../db/_caller.ts";
import { addressOf } from "./_address.ts";
import { Bounded, Counters, windowMs } from "./_counters.ts";
import { refuseUnread } from "./_download.ts";
import { Guesses } from "./_guesses.ts";
import { retryLater, unauthorized } from "./_problem.ts";
import { type Leave, Shares } from "./_share.ts";

/*
 * How many requests a caller may send, a minute and at a time. Counted in this instance's memory: the
 * one statement of a request has no room for a shared counter, so behind n instances the limits are
 * up to n times as high.
 *
 * Written here because no library of npm speaks the current draft of the headers
 * (draft-ietf-httpapi-ratelimit-headers, 08 and later): hono-rate-limiter 0.5 stops at draft 7 and
 * its store grows with what is sent to it, rate-limiter-flexible 11 writes no headers.
 */

export interface LimitOptions {
  /** Requests a minute and caller; 0 turns the limit off. */
  rateLimit: number;
  /** Requests in flight for one caller; 0, or none, turns the limit off. */
  concurrencyLimit?: number;
  /** Connections to the database; a caller's first requests may have half of them. */
  poolSize?: number;
  trustedProxyHeader?: string;
  /** Gets a sentence when the settings turn out not to fit what comes. */
  warn?: (message: string) => void;
}

/**
 * Called with the answer, with the caller if one was proven, and with what resolves when a long
 * answer has been read. Sets the headers.
 */
type Finish = (answer: Response, callerId: string | undefined, sent?: Promise<void>) => void;

/** Proves a caller by a statement of its own, and gives their id. */
type Prove = () => Promise<string | undefined>;

/** The requests of each caller in this minute. */
class Rate {
  readonly #counts = new Counters();
  readonly #policy: string;

  constructor(readonly limit: number) {
    this.#policy = `"caller";q=${limit};w=${windowMs / 1000}`;
  }

  /** Counts a request, and one more where that is not counted yet. Throws 429. */
  count(owner: string, isOneMore: boolean) {
    if (this.limit === 0) return;
    const used = this.#counts.increment(owner) + (isOneMore ? 1 : 0);
    if (used <= this.limit) return;
    const detail = `${this.limit} a minute are allowed.`;
    throw retryLater("rate_limited", detail, this.#counts.secondsLeft(), {
      "ratelimit-policy": this.#policy,
      "ratelimit": this.#left(used),
    });
  }

  /** Counts a request that is answered already. */
  countAnswered(owner: string, answer: Response) {
    if (this.limit > 0) this.#setHeaders(answer, this.#counts.increment(owner));
  }

  /** Tells the caller what is left. */
  tell(owner: string, answer: Response) {
    if (this.limit > 0) this.#setHeaders(answer, this.#counts.get(owner) ?? 0);
  }

  #setHeaders({ headers }: Response, used: number) {
    headers.set("ratelimit-policy", this.#policy);
    headers.set("ratelimit", this.#left(used));
  }

  #left(used: number): string {
    return `"caller";r=${Math.max(0, this.limit - used)};t=${this.#counts.secondsLeft()}`;
  }
}

/** The limits of one instance. */
export class Limits {
  readonly #rate: Rate;
  readonly #shares: Shares | undefined;
  readonly #guesses = new Guesses();
  /** The user of each credential that was proven, until it fails. */
  readonly #owners = new Bounded<string>();
  /** The users with a credential that is being proven by the statement of its first request. */
  readonly #trying = new Set<string>();
  /** Credentials that are being proven by a statement of its own, for all requests with them meanwhile. */
  readonly #proofs = new Map<string, Promise<string | undefined>>();
  readonly #addressOf: (c: Context) => string | undefined;
  readonly #warn: (message: string) => void;
  /** Whether it is known that a proxy is trusted, or was said that one is not. */
  #knowsProxy: boolean;

  constructor(
    { rateLimit, concurrencyLimit = 0, poolSize = 10, trustedProxyHeader, warn }: LimitOptions,
  ) {
    this.#rate = new Rate(rateLimit);
    if (concurrencyLimit > 0) {
      this.#shares = new Shares(concurrencyLimit, Math.max(1, Math.floor(poolSize / 2)));
    }
    this.#addressOf = (c) => addressOf(c, trustedProxyHeader);
    this.#warn = warn ?? (() => {});
    this.#knowsProxy = trustedProxyHeader !== undefined;
  }

  /**
   * Counts a request before its statement, so that of many at once none passes uncounted. All keys
   * of a user are counted together, from the first proof of each on. Returns what to call with the
   * answer. Throws 429, and 401 where `prove` was needed and found no caller.
   */
  admit(c: Context, credential: Credential | undefined, prove: Prove): Finish | Promise<Finish> {
    if (!credential) {
      // A missing key is no guess: otherwise those without one could lock out those with one.
      const address = c.req.header("authorization") && this.#addressOf(c);
      if (address) this.#guesses.malformed(address);
      return () => {};
    }
    const name = nameOf(credential);
    const owner = this.#owners.get(name);
    return owner === undefined
      ? this.#admitUnknown(c, name, credential, prove)
      : this.#admitKnown(c, name, owner);
  }

  /**
   * Checks what may be a guess, and counts it before it is checked. Undefined is a wrong one.
   * Throws what the check throws, and 429.
   */
  async attempt<Found>(c: Context, name: string, check: () => Promise<Found | undefined>) {
    this.#noticeProxy(c);
    const address = this.#addressOf(c);
    return await counted(address ? await this.#guesses.enter(address, name) : undefined, check());
  }

  /** A request with a credential that was proven before. The log says whom a limit has refused. */
  #admitKnown(c: Context, name: string, owner: string): Finish | Promise<Finish> {
    const finish = (leave?: Leave): Finish => (answer, _, sent) => {
      leave?.(sent);
      if (answer.status === 401) this.#forget(c, name);
      else this.#rate.tell(owner, answer);
    };
    const refuse = (problem: unknown): never => {
      c.set("callerId", owner);
      throw problem;
    };
    try {
      // The request that proves the user's first credential is counted when it is answered.
      this.#rate.count(owner, this.#trying.has(owner));
      if (!this.#shares) return finish();
      refuseUnread(owner);
      const place = this.#shares.enter(owner);
      return place instanceof Promise ? place.then(finish, refuse) : finish(place);
    } catch (problem) {
      return refuse(problem);
    }
  }

  /** A request with a credential that this instance has not seen, or has seen fail. */
  async #admitUnknown(
    c: Context,
    name: string,
    credential: Credential,
    prove: Prove,
  ): Promise<Finish> {
    this.#noticeProxy(c);
    // A token that was verified is no guess.
    const address = "issuer" in credential ? undefined : this.#addressOf(c);
    const end = address === undefined ? undefined : await this.#guesses.enter(address, name);
    const ownerId = typeof credential.ownerId === "string" ? credential.ownerId : name;
    const known = this.#owners.get(name);
    if (known !== undefined) {
      end?.(false);
      return this.#admitKnown(c, name, known);
    }
    if (this.#trying.has(ownerId)) {
      const owner = await counted(end, this.#proofOf(name, prove));
      if (owner === undefined) throw unauthorized();
      this.#owners.set(name, owner);
      return this.#admitKnown(c, name, owner);
    }
    this.#trying.add(ownerId);
    return (answer, callerId) => {
      this.#trying.delete(ownerId);
      end?.(answer.status === 401);
      if (answer.status === 401 || callerId === undefined) return;
      this.#owners.set(name, callerId);
      this.#rate.countAnswered(callerId, answer);
    };
  }

  #proofOf(name: string, prove: Prove): Promise<string | undefined> {
    let proof = this.#proofs.get(name);
    if (!proof) {
      proof = prove().finally(() => this.#proofs.delete(name));
      this.#proofs.set(name, proof);
    }
    return proof;
  }

  /** A credential that was good has failed: from now on it may be a guess. */
  #forget(c: Context, name: string) {
    this.#owners.delete(name);
    const address = this.#addressOf(c);
    if (address !== undefined) {
      this.#guesses.enter(address, name).then((end) => end(true), () => {});
    }
  }

  /** Behind a proxy that is not trusted all callers are one address, and guesses of one stop all. */
  #noticeProxy(c: Context) {
    if (this.#knowsProxy) return;
    const header = ["x-forwarded-for", "forwarded", "x-real-ip"].find((name) => c.req.header(name));
    if (!header) return;
    this.#knowsProxy = true;
    this.#warn(
      `a proxy sends ${header}, and TRUSTED_PROXY_HEADER is not set: all callers count as one address`,
    );
  }
}

/** What was found; `end` is told whether that is nothing. Without an answer it was no guess. */
async function counted<Found>(
  end: ((failed: boolean) => void) | undefined,
  checking: Promise<Found | undefined>,
): Promise<Found | undefined> {
  let failed = false;
  try {
    const found = await checking;
    failed = found === undefined;
    return found;
  } finally {
    end?.(failed);
  }
}

/** Never the ids alone: they are no secret, so anybody could use up another's requests. */
function nameOf(credential: Credential): string {
  if ("issuer" in credential) return `${credential.issuer} ${credential.subject}`;
  const { ownerId, keyId, hash } = credential;
  return `${ownerId}:${keyId}:${hash}`;
}

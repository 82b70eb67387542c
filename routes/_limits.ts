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

export type Limits = ReturnType<typeof createLimits>;

/**
 * Called with the answer, with the caller if one was proven, and with what resolves when a long
 * answer has been read. Sets the headers.
 */
type Finish = (answer: Response, callerId: string | undefined, sent?: Promise<void>) => void;

export function createLimits(options: LimitOptions) {
  const { rateLimit, concurrencyLimit = 0, poolSize = 10, trustedProxyHeader, warn } = options;
  const counts = new Counters();
  const shares = new Shares(concurrencyLimit, Math.max(1, Math.floor(poolSize / 2)));
  const guesses = new Guesses();
  /** The user of each key that was proven, until it fails. */
  const owners = new Bounded<string>();
  /** The users with a key that is being proven by the statement of its first request. */
  const trying = new Set<string>();
  /** Keys that are being proven by a statement of its own, for all requests with them meanwhile. */
  const proofs = new Map<string, Promise<string | undefined>>();
  const policy = `"caller";q=${rateLimit};w=${windowMs / 1000}`;

  /** Behind a proxy that is not trusted all callers are one address, and guesses of one stop all. */
  let warned = trustedProxyHeader !== undefined;
  function noticeProxy(c: Context) {
    if (warned) return;
    const header = ["x-forwarded-for", "forwarded", "x-real-ip"].find((name) => c.req.header(name));
    if (!header) return;
    warned = true;
    warn?.(
      `a proxy sends ${header}, and TRUSTED_PROXY_HEADER is not set: all callers count as one address`,
    );
  }

  function headers(used: number): Record<string, string> {
    const left = Math.max(0, rateLimit - used);
    return {
      "ratelimit-policy": policy,
      "ratelimit": `"caller";r=${left};t=${counts.secondsLeft()}`,
    };
  }

  function setHeaders(answer: Response, used: number) {
    const { "ratelimit-policy": policy, ratelimit } = headers(used);
    answer.headers.set("ratelimit-policy", policy!);
    answer.headers.set("ratelimit", ratelimit!);
  }

  /** A request with a key that was proven before. */
  function admitKnown(c: Context, name: string, owner: string): Finish | Promise<Finish> {
    if (rateLimit > 0) {
      // The request that proves the user's first key is counted when it is answered.
      const used = counts.increment(owner) + (trying.has(owner) ? 1 : 0);
      if (used > rateLimit) {
        throw retryLater(
          "rate_limited",
          `${rateLimit} a minute are allowed.`,
          counts.secondsLeft(),
          headers(used),
        );
      }
    }
    const finish = (leave?: Leave): Finish => (answer, _, sent) => {
      leave?.(sent);
      if (answer.status === 401) {
        owners.delete(name);
        const address = addressOf(c, trustedProxyHeader);
        if (address !== undefined) guesses.enter(address, name).then((end) => end(true), () => {});
      } else if (rateLimit > 0) setHeaders(answer, counts.get(owner) ?? 0);
    };
    if (concurrencyLimit === 0) return finish();
    refuseUnread(owner);
    const place = shares.enter(owner);
    return place instanceof Promise ? place.then(finish) : finish(place);
  }

  /** A request with a key that this instance has not seen, or has seen fail. */
  async function admitUnknown(
    c: Context,
    name: string,
    credential: Credential,
    prove: () => Promise<string | undefined>,
  ): Promise<Finish> {
    noticeProxy(c);
    // A token that was verified is no guess.
    const address = "issuer" in credential ? undefined : addressOf(c, trustedProxyHeader);
    const end = address === undefined ? undefined : await guesses.enter(address, name);
    const ownerId = typeof credential.ownerId === "string" ? credential.ownerId : name;
    const known = owners.get(name);
    if (known !== undefined) {
      end?.(false);
      return admitKnown(c, name, known);
    }
    if (trying.has(ownerId)) {
      let proof = proofs.get(name);
      if (!proof) proofs.set(name, proof = prove().finally(() => proofs.delete(name)));
      const owner = await counted(end, proof);
      if (owner === undefined) throw unauthorized();
      owners.set(name, owner);
      return admitKnown(c, name, owner);
    }
    trying.add(ownerId);
    return (answer, callerId) => {
      trying.delete(ownerId);
      end?.(answer.status === 401);
      if (answer.status === 401 || callerId === undefined) return;
      owners.set(name, callerId);
      if (rateLimit > 0) setHeaders(answer, counts.increment(callerId));
    };
  }

  return {
    /**
     * Counts a request before its statement, so that of many at once none passes uncounted. All keys
     * of a user are counted together, from the first proof of each on. Returns what to call with the
     * answer. Throws 429, and 401 where `prove` was needed and found no caller.
     */
    admit(
      c: Context,
      credential: Credential | undefined,
      prove: () => Promise<string | undefined>,
    ): Finish | Promise<Finish> {
      if (!credential) {
        // A missing key is no guess: otherwise those without one could lock out those with one.
        const address = c.req.header("authorization") && addressOf(c, trustedProxyHeader);
        if (address) guesses.malformed(address);
        return () => {};
      }
      const name = nameOf(credential);
      const owner = owners.get(name);
      return owner === undefined
        ? admitUnknown(c, name, credential, prove)
        : admitKnown(c, name, owner);
    },
    /**
     * Checks what may be a guess, and counts it before it is checked. Undefined is a wrong one.
     * Throws what the check throws, and 429.
     */
    async attempt<Found>(c: Context, name: string, check: () => Promise<Found | undefined>) {
      noticeProxy(c);
      const address = addressOf(c, trustedProxyHeader);
      return await counted(address ? await guesses.enter(address, name) : undefined, check());
    },
  };
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

import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from "jose";
import { type Scope, scopes } from "../db/_caller.ts";
import { callersId, type Identity } from "../db/_identity.ts";
import { digest } from "../db/_secret.ts";
import { Bounded } from "./_counters.ts";
import { insufficientScope, retryLater } from "./_problem.ts";

/*
 * Access tokens of an OpenID Connect issuer, beside API keys. jose checks signature and claims
 * (RFC 7519, RFC 9068); what an instance has to remember stands here.
 */

export interface TokenOptions {
  /** The issuer as its tokens name it, such as https://id.example.com. */
  issuer: string;
  /** Of these the token must name one. */
  audiences: string[];
  /** Where the issuer's keys are; by default its discovery document says so. */
  jwksUrl?: string;
  /** Milliseconds that the issuer has for an answer. */
  answerMs?: number;
}

/** Asymmetric ones alone: with a shared secret whoever checks a token could make one. */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"]
  .concat("ES512", "EdDSA", "Ed25519");

/** How much the clocks of the issuer and of this machine may differ, in seconds. */
const leeway = 5;

/** How long the issuer has for an answer, unless the options say it. */
const usualAnswerMs = 3_000;

/** The key set is fetched anew for a key that is not in it, at most so often. */
const renewalMs = 60_000;

/** A token is verified again, and the key set fetched again, when it is so old: keys are withdrawn. */
const keptMs = 5 * 60_000;

/** After a failure the issuer is left alone for so long. */
const backOffMs = 1_000;

/** What is kept of a token that was verified. */
interface Verified {
  claims: Omit<Identity, "ownerId" | "scope">;
  scope: Scope | undefined;
  /** Seconds since 1970. */
  expires: number;
  /** Milliseconds since 1970. */
  verifiedAt: number;
}

type Keys = ReturnType<typeof createRemoteJWKSet>;

type Attempt = <Found>(
  name: string,
  check: () => Promise<Found | undefined>,
) => Promise<Found | undefined>;

export class Tokens {
  readonly #verified = new Bounded<Verified>();
  /** The users of the people that this instance has seen, by subject. */
  readonly #owners = new Bounded<string>();
  #keys: Promise<Keys> | undefined;
  #backOffUntil = 0;
  /** When the key set is fetched anew. */
  #renewAt = 0;

  readonly #answerMs: number;

  constructor(readonly options: TokenOptions) {
    this.#answerMs = options.answerMs ?? usualAnswerMs;
  }

  /**
   * Whose token it is; undefined for one that is not valid here. `attempt` is called around the
   * verification of one that is new here, and may refuse it. Throws a Problem: 503 where the issuer
   * has to be asked and does not answer, 403 for a token without a scope of ours.
   */
  async identify(token: string, attempt: Attempt = (_, check) => check()) {
    const name = digest(token);
    let verified = this.#verified.get(name);
    if (!verified || isOver(verified, Date.now())) {
      verified = await attempt(name, () => this.#verify(token));
      if (!verified) return undefined;
      this.#verified.set(name, verified);
    }
    const { claims, scope } = verified;
    if (!scope) throw insufficientScope("The token has none of the scopes of this API.");
    const ownerId = this.#owners.get(claims.subject) ?? callersId;
    return { ...claims, scope, ownerId } satisfies Identity;
  }

  /** Remembers whose account it is, or that there is none any more. */
  remember({ subject }: Identity, ownerId: string | undefined) {
    if (ownerId === undefined) this.#owners.delete(subject);
    else this.#owners.set(subject, ownerId);
  }

  async #verify(token: string): Promise<Verified | undefined> {
    const { issuer, audiences } = this.options;
    let verified: JWTPayload;
    try {
      const keys = await this.#keySet();
      await this.#renew(keys);
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience: audiences,
        algorithms,
        clockTolerance: leeway,
        requiredClaims: ["sub", "exp", "iat"],
      });
      verified = payload;
    } catch (error) {
      // It has no key set for us, and that is not the token's fault.
      const away = [errors.JWKSTimeout, errors.JWKSInvalid].some((kind) => error instanceof kind);
      if (away || !(error instanceof errors.JOSEError)) {
        throw retryLater("issuer_unavailable", "The issuer of the token does not answer.", 5);
      }
      return undefined;
    }
    return read(verified, issuer);
  }

  /** Others go on with the old keys meanwhile, and all of them where the issuer is away. */
  async #renew(keys: Keys) {
    if (Date.now() < this.#renewAt) return;
    this.#renewAt = Date.now() + keptMs;
    if (keys.jwks()) await keys.reload().catch(() => this.#renewAt = Date.now() + renewalMs);
  }

  /** The issuer's keys, fetched when the first token comes, and kept while the issuer is away. */
  #keySet() {
    this.#keys ??= this.#discover().then((url) =>
      createRemoteJWKSet(url, {
        timeoutDuration: this.#answerMs,
        cooldownDuration: renewalMs,
        cacheMaxAge: Infinity,
        [customFetch]: async (url, options) => Response.json(await this.#fetch(url, options)),
      })
    ).catch((error) => {
      this.#keys = undefined;
      throw error;
    });
    return this.#keys;
  }

  /** A document of the issuer, who is left alone for a while after a failure, whoever asks. */
  async #fetch(address: string, options: RequestInit) {
    if (Date.now() < this.#backOffUntil) throw new Error("the issuer is left alone");
    try {
      const response = await fetch(address, { ...options, redirect: "error" });
      if (response.ok) return await response.json();
      await response.body?.cancel();
      throw new Error(`${address} answers ${response.status}`);
    } catch (error) {
      this.#backOffUntil = Date.now() + backOffMs;
      throw error;
    }
  }

  /** The address of the key set (OpenID Connect Discovery 1.0, 4). */
  async #discover(): Promise<URL> {
    const { issuer, jwksUrl } = this.options;
    if (jwksUrl) return new URL(jwksUrl);
    const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const document = await this.#fetch(address, { signal: AbortSignal.timeout(this.#answerMs) });
    if (document.issuer === issuer) return new URL(document.jwks_uri);
    this.#backOffUntil = Date.now() + backOffMs;
    throw new Error(`${address} is of ${document.issuer}`);
  }
}

function isOver({ expires, verifiedAt }: Verified, now: number): boolean {
  return expires + leeway <= now / 1000 || verifiedAt + keptMs <= now;
}

/** What a token says of its person. Undefined where the subject is none that can be kept. */
function read(payload: JWTPayload, issuer: string): Verified | undefined {
  const { sub: subject, exp, scope, email, email_verified, name } = payload;
  const storable = /^[^\0]{1,255}$/u;
  // jose leaves the claim's type to us.
  if (typeof subject !== "string" || !storable.test(subject) || !subject.isWellFormed()) {
    return undefined;
  }
  const given = typeof scope === "string" ? scope.split(" ") : [];
  const address = email_verified === true && typeof email === "string" &&
    /^[^\s@\0]+@[^\s@\0]+$/.test(email) && email.length <= 120 && email.isWellFormed();
  const named = typeof name === "string" ? name.toWellFormed().replaceAll("\0", "").trim() : "";
  return {
    claims: {
      issuer,
      subject,
      name: [...named || subject].slice(0, 100).join(""),
      email: address ? email : undefined,
    },
    // The widest.
    scope: scopes.findLast((one) => given.includes(`slate:${one}`)),
    expires: exp!,
    verifiedAt: Date.now(),
  };
}

import type { Context } from "hono";
import type { Credential, Scope } from "../db/_caller.ts";
import type { Authorization } from "../db/_row.ts";
import { parseKey } from "../db/_secret.ts";
import { proveCaller } from "../db/keys.ts";
import { type Database, DatabaseError } from "../postgres/mod.ts";
import { openKey } from "./_dev_key.ts";
import type { Limits } from "./_limits.ts";
import { errorResponse, Problem, problemResponse, unauthorized } from "./_problem.ts";
import type { Handler, Step, Variables } from "./_step.ts";
import type { Tokens } from "./_token.ts";

/**
 * Takes the credential out of the request. It is not checked here: the handler's one statement does
 * that. The caller of a request that fails before that statement, on a bad parameter for instance,
 * is proven here afterwards, so that nobody without a key gets anything but 401. That is why what
 * the handler throws becomes an answer here already.
 */
export function authentication(
  { db, environment, devKey, corsOrigins, limits, tokens }: {
    db: Database;
    environment: string;
    devKey?: string;
    corsOrigins: string[];
    limits: Limits;
    /** Who signs in by an OpenID Connect issuer, where one is set. */
    tokens?: Tokens;
  },
  scope: Scope,
): Step {
  async function prove(credential: Credential, tries = firstTries): Promise<Authorization[]> {
    try {
      return await proveCaller(db, credential, scope);
    } catch (error) {
      if (tries > 1 && bothMadeIt(error, credential)) return prove(credential, tries - 1);
      throw error;
    }
  }
  return async (c, next) => {
    const header = c.req.header("authorization");
    const token = header === undefined
      ? devKey && openKey(c, devKey, corsOrigins)
      : /^bearer +(\S+) *$/i.exec(header)?.[1];
    let credential: Credential | undefined = token && parseKey(token, environment) || undefined;
    // A JSON Web Token has three parts.
    if (!credential && tokens && token?.split(".").length === 3) {
      credential = await tokens.identify(token, (name, check) => limits.attempt(c, name, check));
      if (!credential) throw unauthorized();
    }
    const admitted = limits.admit(
      c,
      credential,
      async () => (await prove(credential!))[0]?.caller_id,
    );
    // Nearly always there is nothing to wait for, and no promise.
    const finish = admitted instanceof Promise ? await admitted : admitted;
    let answer;
    if (credential) {
      c.set("credential", credential);
      answer = await handle(c, next);
      for (let tries = 1; tries < firstTries && bothMadeIt(c.error, credential); tries++) {
        c.error = undefined;
        answer = await handle(c, next);
      }
      if (needsOwner(c.error, credential)) {
        c.error = undefined;
        answer = await handle(c, async (c) => {
          const [caller] = await prove(credential!);
          if (caller) c.set("credential", { ...credential!, ownerId: caller.caller_id });
          return next(c);
        });
      }
      if (c.get("callerId") === undefined && answer.status < 500 && answer.status !== 401) {
        const failed = answer;
        // As an answer too, or the caller's place would never be given back.
        answer = await handle(c, async () => {
          const caller = (await prove(credential))[0];
          const refused = refusal(caller);
          if (caller) c.set("callerId", caller.caller_id);
          return refused ? problemResponse(c, refused) : failed;
        });
      }
    } else {
      answer = problemResponse(c, unauthorized());
    }
    if (tokens && credential && "issuer" in credential && answer.status < 500) {
      tokens.settle(credential, answer.status === 401 ? undefined : c.get("callerId"));
    }
    finish(answer, c.get("callerId"), c.get("sent"));
    return answer;
  };
}

/** What the handler throws, as an answer. */
async function handle(c: Context, next: Handler): Promise<Response> {
  try {
    return await next(c);
  } catch (error) {
    return errorResponse(error as Error, c);
  }
}

/** One request may lose to another of its own person, and before that to somebody with its address. */
const firstTries = 3;

/**
 * Two first requests of a person, both of which made the account: this one was undone. Which of the
 * two names is found taken first depends on who has come how far.
 */
function bothMadeIt(error: unknown, credential: Credential): boolean {
  return "issuer" in credential && typeof credential.ownerId !== "string" &&
    error instanceof DatabaseError &&
    ["identities_subject_key", "users_email_key"].includes(error.constraint ?? "");
}

/**
 * Citus has to know whose rows a statement touches before it runs, and an instance that sees a person
 * for the first time does not: then who they are is a statement of its own.
 */
function needsOwner(error: unknown, credential: Credential): boolean {
  return typeof credential.ownerId !== "string" &&
    error instanceof DatabaseError && error.code === "0A000";
}

/** The one row of a statement, if its caller is proven and allowed. Throws 401 or 403. */
export function permit<Row extends Authorization>(
  c: Context<{ Variables: Variables }>,
  rows: Row[],
): Row {
  const row = rows[0];
  const refused = refusal(row);
  if (row) c.set("callerId", row.caller_id);
  if (refused) throw refused;
  return row!;
}

function refusal(row: Authorization | undefined): Problem | undefined {
  if (!row) return unauthorized();
  if (!row.allowed) {
    return new Problem("insufficient_scope", "Use a credential with a wider scope.", {
      headers: { "www-authenticate": 'Bearer realm="slate", error="insufficient_scope"' },
    });
  }
}

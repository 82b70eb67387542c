import type { Context } from "hono";
import type { Credential, Scope } from "../db/_caller.ts";
import type { Authorization } from "../db/_row.ts";
import { parseKey } from "../db/_secret.ts";
import { proveCaller } from "../db/keys.ts";
import { DatabaseError, retriedOn } from "../postgres/mod.ts";
import { devKeyFor } from "./_dev_key.ts";
import {
  errorResponse,
  insufficientScope,
  type Problem,
  problemResponse,
  unauthorized,
} from "./_problem.ts";
import type { Deps, Handler, Step, Variables } from "./_step.ts";

/** Proves a caller by a statement of its own. */
type Prove = (credential: Credential) => Promise<Authorization | undefined>;

/**
 * Takes the credential out of the request. It is not checked here: the handler's one statement does
 * that. The caller of a request that fails before that statement, on a bad parameter for instance,
 * is proven here afterwards, so that nobody without a key gets anything but 401. That is why what
 * the handler throws becomes an answer here already.
 */
export function authentication(deps: Deps, scope: Scope): Step {
  const { db, limits, tokens } = deps;
  const prove: Prove = async (credential) =>
    (await retried(() => proveCaller(db, credential, scope)))[0];
  return async (c, next) => {
    // Nearly always there is nothing to wait for, and no promise.
    const found = credentialOf(c, deps);
    const credential = found instanceof Promise ? await found : found;
    const admitted = limits.admit(c, credential, async () => (await prove(credential!))?.caller_id);
    const finish = admitted instanceof Promise ? await admitted : admitted;
    let answer;
    if (credential) {
      c.set("credential", credential);
      const isNew = typeof credential.ownerId !== "string";
      answer = await handle(c, isNew ? makingAccount(next, credential, prove) : next);
      if (c.get("callerId") === undefined && answer.status < 500 && answer.status !== 401) {
        const failed = answer;
        // As an answer too, or the caller's place would never be given back.
        answer = await handle(c, async () => answerUnproven(c, await prove(credential), failed));
      }
    } else {
      answer = problemResponse(c, unauthorized());
    }
    if (tokens && credential && "issuer" in credential && answer.status < 500) {
      tokens.remember(credential, answer.status === 401 ? undefined : c.get("callerId"));
    }
    finish(answer, c.get("callerId"), c.get("sent"));
    return answer;
  };
}

/** The credential of a request, where it has one. Throws 401 for an access token that is not good. */
function credentialOf(
  c: Context,
  { environment, devKey, corsOrigins, limits, tokens }: Deps,
): Credential | undefined | Promise<Credential> {
  const header = c.req.header("authorization");
  // The docs page sends a bare `Bearer` where nobody has typed a key.
  const hasNone = header === undefined || header.toLowerCase() === "bearer";
  const token = hasNone
    ? devKey && devKeyFor(c, devKey, corsOrigins)
    : /^bearer +(\S+) *$/i.exec(header)?.[1];
  if (!token) return undefined;
  const key = parseKey(token, environment);
  // A JSON Web Token has three parts.
  if (key || !tokens || token.split(".").length !== 3) return key;
  const found = tokens.identify(token, (name, check) => limits.attempt(c, name, check));
  return found.then((identity) => {
    if (identity) return identity;
    throw unauthorized();
  });
}

/** The handler of a person whom this instance does not know: its statement makes their account. */
function makingAccount(next: Handler, credential: Credential, prove: Prove): Handler {
  return async (c) => {
    try {
      return await retried(() => next(c));
    } catch (error) {
      if (!(error instanceof DatabaseError && error.code === "0A000")) throw error;
      // Citus has to know whose rows a statement touches before it runs: then who they are is a
      // statement of its own.
      const caller = await prove(credential);
      if (caller) c.set("credential", { ...credential, ownerId: caller.caller_id } as Credential);
      return next(c);
    }
  };
}

/** The answer to a request that failed before its statement: as it is for a caller who is allowed. */
function answerUnproven(
  c: Context<{ Variables: Variables }>,
  caller: Authorization | undefined,
  failed: Response,
): Response {
  if (caller) c.set("callerId", caller.caller_id);
  const refused = refusal(caller);
  return refused ? problemResponse(c, refused) : failed;
}

/** What the handler throws, as an answer. */
async function handle(c: Context, next: Handler): Promise<Response> {
  try {
    return await next(c);
  } catch (error) {
    return errorResponse(error as Error, c);
  }
}

const accountNames = ["identities_subject_key", "users_email_key"];

/**
 * Runs it again where another request of the same new person made the account as well, and this one
 * was undone. Which of the two names is found taken depends on who has come how far; the one may be
 * lost to that request, and before that the other to somebody with the same address.
 */
function retried<Result>(run: () => Result | Promise<Result>): Promise<Result> {
  return retriedOn(({ constraint = "" }) => accountNames.includes(constraint), run, 3);
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
  if (!row.allowed) return insufficientScope("Use a credential with a wider scope.");
}

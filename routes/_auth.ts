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

/**
 * Takes the credential out of the request. It is not checked here: the handler's one statement does
 * that. The caller of a request that fails before that statement, on a bad parameter for instance,
 * is proven here afterwards, so that nobody without a key gets anything but 401. That is why what
 * the handler throws becomes an answer here already.
 */
export function authentication(
  { db, environment, devKey, corsOrigins, limits, tokens }: Deps,
  scope: Scope,
): Step {
  const prove = async (credential: Credential): Promise<Authorization | undefined> =>
    (await retried(() => proveCaller(db, credential, scope)))[0];
  /** The handler of a person whom this instance does not know: its statement makes their account. */
  const makingAccount = (credential: Credential, next: Handler): Handler => async (c) => {
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
  return async (c, next) => {
    const header = c.req.header("authorization");
    const token = header === undefined
      ? devKey && devKeyFor(c, devKey, corsOrigins)
      : /^bearer +(\S+) *$/i.exec(header)?.[1];
    let credential: Credential | undefined = token && parseKey(token, environment) || undefined;
    // A JSON Web Token has three parts.
    if (!credential && tokens && token?.split(".").length === 3) {
      credential = await tokens.identify(token, (name, check) => limits.attempt(c, name, check));
      if (!credential) throw unauthorized();
    }
    const admitted = limits.admit(c, credential, async () => (await prove(credential!))?.caller_id);
    // Nearly always there is nothing to wait for, and no promise.
    const finish = admitted instanceof Promise ? await admitted : admitted;
    let answer;
    if (credential) {
      c.set("credential", credential);
      const isNew = typeof credential.ownerId !== "string";
      answer = await handle(c, isNew ? makingAccount(credential, next) : next);
      if (c.get("callerId") === undefined && answer.status < 500 && answer.status !== 401) {
        const failed = answer;
        // As an answer too, or the caller's place would never be given back.
        answer = await handle(c, async () => {
          const caller = await prove(credential);
          const refused = refusal(caller);
          if (caller) c.set("callerId", caller.caller_id);
          return refused ? problemResponse(c, refused) : failed;
        });
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

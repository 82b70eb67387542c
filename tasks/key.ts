/**
 * `deno task key create --email a@b.c --scope admin`: creates a key for the user with that address,
 * and the user if there is none: the first key of a new installation. Prints the key alone on
 * standard output, this once.
 */
import { parseArgs } from "node:util";
import { type Scope, scopes } from "../db/_caller.ts";
import { formatKey, newSecret } from "../db/_secret.ts";
import { findAccount, installKey } from "../db/keys.ts";
import { EmbeddedError } from "../embedded/mod.ts";
import { EnvironmentError } from "../postgres/environment.ts";
import {
  connect,
  type Database,
  DatabaseError,
  DeadlinePassed,
  Unreachable,
} from "../postgres/mod.ts";
import { describeDatabase } from "../postgres/settings.ts";
import { environment, openDatabase } from "./environment.ts";

/** An expected error, shown without a stack trace. The exit codes are those of `deno task db`. */
class Failure extends Error {
  constructor(message: string, readonly code: number) {
    super(message);
  }
}

const usage = `usage: deno task key create --email <address> --scope <${scopes.join("|")}>

  --email  whose key it is; the user is made if missing
  --scope  what it may do: each scope holds the ones before it
  --name   what to call it in the list of keys (by default "command line")
  --yes    also where an account has this address already, without being asked

example: deno task key create --email ada@example.com --scope admin`;

function wrong(message: string): Failure {
  return new Failure(`${message}\n\n${usage}`, 2);
}

function options(args: string[]) {
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        email: { type: "string" },
        scope: { type: "string" },
        name: { type: "string", default: "command line" },
        yes: { type: "boolean", default: false },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const { positionals, values } = parsed;
  if (values.help || args.length === 0) return undefined;
  const { email = "", scope = "", name, yes } = values;
  if (positionals.join(" ") !== "create") throw wrong("the only thing to do is `create`");
  if (!/^[^\s@]+@[^\s@]+$/.test(email) || email.length > 120) {
    throw wrong("--email must be an email address of at most 120 characters");
  }
  if (!(scopes as readonly string[]).includes(scope)) {
    throw wrong(`--scope must be one of ${scopes.join(", ")}`);
  }
  if (name.length < 1 || name.length > 100) throw wrong("--name must have 1 to 100 characters");
  return { email, scope: scope as Scope, name, yes };
}

/** Somebody else may have taken the address before: a key for it is a key to his account. */
async function requireConsent(db: Database, email: string) {
  if ((await findAccount(db, email)).length === 0) return;
  const taken = `an account has the address ${email} already`;
  if (!Deno.stdin.isTerminal()) {
    throw new Failure(`${taken}: --yes makes another key for it; nothing was changed`, 1);
  }
  // Asked on the terminal itself: the key alone is for standard output.
  await Deno.stderr.write(new TextEncoder().encode(`${taken}. Another key for it? [y/N] `));
  const answer = new Uint8Array(16);
  const n = await Deno.stdin.read(answer) ?? 0;
  if (!/^y(es)?$/i.test(new TextDecoder().decode(answer.subarray(0, n)).trim())) {
    throw new Failure("nothing was changed", 1);
  }
}

/** Returns the key and its environment. Throws what connecting and PostgreSQL throw. */
async function create({ email, scope, name, yes }: NonNullable<ReturnType<typeof options>>) {
  const { secret, hash } = newSecret();
  await using opened = await openDatabase("deno task key");
  const db = connect(opened.settings, { size: 1 });
  try {
    if (!yes) await requireConsent(db, email);
    const [row] = await installKey(db, { email, scope, name, hash });
    const slateEnv = environment().SLATE_ENV || (opened.embedded ? "dev" : "live");
    const key = formatKey(slateEnv, { ownerId: row!.owner_id, id: row!.id, secret });
    return { key, slateEnv };
  } catch (error) {
    if (error instanceof DatabaseError && error.code === "42P01") {
      throw new Failure(
        `${describeDatabase(opened.settings)} has no such table: run \`deno task db up\` first`,
        1,
      );
    }
    throw error;
  } finally {
    await db.close();
  }
}

/** The exit code of an expected error; undefined for a defect. */
function exitCode(error: unknown): number | undefined {
  if (error instanceof Failure) return error.code;
  if (error instanceof EnvironmentError) return 2;
  if (error instanceof DatabaseError) return 1;
  const outOfReach = [EmbeddedError, Unreachable, DeadlinePassed];
  return outOfReach.some((kind) => error instanceof kind) ? 3 : undefined;
}

try {
  const chosen = options(Deno.args);
  if (!chosen) {
    console.log(usage);
  } else {
    const { key, slateEnv } = await create(chosen);
    // Every other API answers 401, and does not say why.
    console.error(
      `A key of the scope ${chosen.scope} for ${chosen.email}, good where SLATE_ENV is ${slateEnv} (without it: dev in \`deno task dev\`, live in \`deno task start\`); it is not shown again:`,
    );
    console.log(key);
  }
} catch (error) {
  const code = exitCode(error);
  if (code === undefined) throw error;
  console.error((error as Error).message);
  Deno.exit(code);
}

/**
 * `deno task key create --email a@b.c --scope admin`: creates a key for the user with that address,
 * and the user if there is none: the first key of a new installation. Prints the key alone on
 * standard output, this once.
 */
import { parseArgs } from "node:util";
import { type Scope, scopes } from "../db/_caller.ts";
import { formatKey, newSecret } from "../db/_secret.ts";
import { installKey } from "../db/keys.ts";
import { EmbeddedError } from "../embedded/mod.ts";
import { EnvironmentError } from "../postgres/environment.ts";
import { connect, DatabaseError, DeadlinePassed, Unreachable } from "../postgres/mod.ts";
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
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const { positionals, values } = parsed;
  if (values.help || args.length === 0) return undefined;
  const { email = "", scope = "", name } = values;
  if (positionals.join(" ") !== "create") throw wrong("the only thing to do is `create`");
  if (!/^[^\s@]+@[^\s@]+$/.test(email) || email.length > 120) {
    throw wrong("--email must be an email address of at most 120 characters");
  }
  if (!(scopes as readonly string[]).includes(scope)) {
    throw wrong(`--scope must be one of ${scopes.join(", ")}`);
  }
  if (name.length < 1 || name.length > 100) throw wrong("--name must have 1 to 100 characters");
  return { email, scope: scope as Scope, name };
}

/** Returns the key. Throws what connecting and PostgreSQL throw. */
async function create({ email, scope, name }: { email: string; scope: Scope; name: string }) {
  const { secret, hash } = newSecret();
  await using opened = await openDatabase("deno task key");
  const db = connect(opened.settings, { size: 1 });
  try {
    const [row] = await installKey(db, { email, scope, name, hash });
    const fallback = opened.embedded ? "dev" : "live";
    return formatKey(environment().SLATE_ENV || fallback, {
      ownerId: row!.owner_id,
      id: row!.id,
      secret,
    });
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
    const key = await create(chosen);
    console.error(`A key of the scope ${chosen.scope} for ${chosen.email}; it is not shown again:`);
    console.log(key);
  }
} catch (error) {
  const code = exitCode(error);
  if (code === undefined) throw error;
  console.error((error as Error).message);
  Deno.exit(code);
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";

export type Environment = Record<string, string | undefined>;

/** The environment does not say what is needed, or its file cannot be read. */
export class EnvironmentError extends Error {
  override name = "EnvironmentError";
}

/**
 * The environment of whoever owns the schema, filled from the folder's .env, which never overrides
 * what is set. Throws EnvironmentError.
 */
export function readEnvironment(folder: string): Environment {
  const env: Environment = Deno.env.toObject();
  let file: Environment = {};
  try {
    file = parseEnv(readFileSync(join(folder, ".env"), "utf8"));
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") {
      throw new EnvironmentError(`.env cannot be read: ${(error as Error).message}`);
    }
  }
  // PGHOST from outside must not lose against a DATABASE_URL from the file.
  if (env.PGHOST && !env.DATABASE_URL) delete file.DATABASE_URL;
  const all: Environment = { ...file, ...env };
  // The app's way in may be a pooler, or a role that may not change the schema.
  if (all.MIGRATION_DATABASE_URL) all.DATABASE_URL = all.MIGRATION_DATABASE_URL;
  return all;
}

import { resolve } from "node:path";
import { embeddedDatabase, type OpenDatabase, openEmbedded } from "../embedded/development.ts";
import { type Environment, EnvironmentError, readEnvironment } from "../postgres/environment.ts";
import { readDatabaseSettings } from "../postgres/settings.ts";
import { root } from "./root.ts";

/** The environment, filled from the checkout's .env. Throws EnvironmentError. */
export function environment(): Environment {
  return readEnvironment(root);
}

/** The embedded database, which is meant where the environment names no other. */
export function development(env = environment()): { dataDir: string; name: string } {
  return { dataDir: resolve(root, env.SLATE_DATA_DIR || ".data"), name: "slate" };
}

/** The name of the embedded database, if the environment means one. */
export function meantEmbedded(env = environment()): string | undefined {
  return embeddedDatabase(env, { ...development(env), root });
}

/**
 * The database of this environment. An embedded one is adopted where it runs, else started until it
 * is disposed. Throws EnvironmentError or EmbeddedError.
 */
export async function openDatabase(owner: string): Promise<OpenDatabase & { embedded: boolean }> {
  const env = environment();
  const embedded = meantEmbedded(env);
  if (embedded !== undefined) {
    return { ...await openEmbedded(development(env).dataDir, embedded, owner), embedded: true };
  }
  const { settings, faults } = readDatabaseSettings(env);
  if (!settings) throw new EnvironmentError(faults.join("\n"));
  return { settings, embedded: false, async [Symbol.asyncDispose]() {} };
}

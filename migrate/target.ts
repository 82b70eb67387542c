import { type DatabaseSettings, readDatabaseSettings } from "../postgres/settings.ts";
import { exit, Failure } from "./command.ts";
import { environment, project } from "./project.ts";

/** The database that a command works on. Disposing stops a server that was started for it. */
export interface Target extends AsyncDisposable {
  settings: DatabaseSettings;
  /** It is on the project's embedded server. */
  embedded: boolean;
  /** Who runs that server, where it is another process. */
  serverOwner?: string;
}

/**
 * The database that the environment or .env names, else the project's development database, which
 * is adopted where it runs and otherwise started until the target is disposed. Throws a Failure or
 * EmbeddedError.
 */
export async function openTarget(): Promise<Target> {
  const env = environment();
  const { development } = project.config;
  if (development) {
    const { embeddedDatabase, openEmbedded } = await import("../embedded/development.ts");
    const database = embeddedDatabase(env, { ...development, root: project.root });
    if (database !== undefined) {
      const opened = await openEmbedded(development.dataDir, database, project.command);
      return { ...opened, embedded: true };
    }
  }
  const { settings, faults } = readDatabaseSettings(env);
  if (!settings) throw new Failure(faults.join("\n"), exit.usage);
  return { settings, embedded: false, async [Symbol.asyncDispose]() {} };
}

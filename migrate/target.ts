import { connect, DatabaseError } from "../postgres/mod.ts";
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

/** A server on which a command may try things out. Disposing leaves nothing behind. */
export interface Scratch extends AsyncDisposable {
  /** Creates an empty database, or a copy of another one on the same server. */
  create(template?: DatabaseSettings): Promise<DatabaseSettings>;
}

/**
 * The server that SCRATCH_DATABASE_URL names, whose role must be allowed to create databases, else
 * an embedded one of its own.
 */
export async function openScratch(): Promise<Scratch> {
  const { SCRATCH_DATABASE_URL } = environment();
  const own = SCRATCH_DATABASE_URL ? undefined : await startScratch();
  const server = own?.settings ?? scratchSettings(SCRATCH_DATABASE_URL!);
  const db = connect(server, { session: true, deadline: 60_000 });
  const created: string[] = [];
  return {
    async create(template) {
      const database = `scratch_${crypto.randomUUID().replaceAll("-", "")}`;
      try {
        await db.script(
          `create database ${database} template ${template?.database ?? "template0"}`,
        );
      } catch (error) {
        if (!(error instanceof DatabaseError) || error.code !== "42501") throw error;
        throw new Failure(
          `SCRATCH_DATABASE_URL: ${error.message}: \`alter role ${server.user} createdb\`, or unset it for a server of its own`,
          exit.unreachable,
        );
      }
      created.push(database);
      // The same long questions again and again, of small catalogs: planned once, never compiled.
      await db.script(`alter database ${database} set plan_cache_mode = force_generic_plan`);
      await db.script(`alter database ${database} set jit = off`);
      return { ...server, database };
    },
    async [Symbol.asyncDispose]() {
      try {
        // The embedded one goes away as a whole.
        if (own) return;
        for (const name of created) await db.script(`drop database if exists ${name} with (force)`);
      } finally {
        await db.close();
        await own?.stop();
      }
    },
  };
}

async function startScratch() {
  const { startEmbedded } = await import("../embedded/mod.ts");
  return await startEmbedded({ small: true });
}

function scratchSettings(url: string): DatabaseSettings {
  const { settings, faults } = readDatabaseSettings({ DATABASE_URL: url });
  if (settings) return settings;
  throw new Failure(
    faults.join("\n").replaceAll("DATABASE_URL", "SCRATCH_DATABASE_URL"),
    exit.usage,
  );
}

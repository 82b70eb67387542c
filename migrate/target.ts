import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { connect, type Database, DatabaseError, sql } from "../postgres/mod.ts";
import { type DatabaseSettings, readDatabaseSettings } from "../postgres/settings.ts";
import { exit, Failure } from "./command.ts";
import { root } from "./root.ts";

/** The database that a command works on. Disposing stops a server that was started for it. */
export interface Target extends AsyncDisposable {
  settings: DatabaseSettings;
  /** It is the one that `deno task dev` runs. */
  embedded: boolean;
  /** `deno task dev` runs on that server, in another process. */
  besideDev: boolean;
}

type Environment = Record<string, string | undefined>;

/** The environment, filled from the checkout's .env, which never overrides what is set. */
export function environment(): Environment {
  const env: Environment = Deno.env.toObject();
  let file: Environment = {};
  try {
    file = parseEnv(readFileSync(join(root, ".env"), "utf8"));
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") {
      throw new Failure(`.env cannot be read: ${(error as Error).message}`, exit.usage);
    }
  }
  // PGHOST from outside must not lose against a DATABASE_URL from the file.
  if (env.PGHOST && !env.DATABASE_URL) delete file.DATABASE_URL;
  const all: Environment = { ...file, ...env };
  // The app's way in may be a pooler, or a role that may not change the schema.
  if (all.MIGRATION_DATABASE_URL) all.DATABASE_URL = all.MIGRATION_DATABASE_URL;
  return all;
}

/**
 * The database that the environment or .env names, else the embedded one, which is adopted where it
 * runs and otherwise started until the target is disposed. Throws a Failure or EmbeddedError.
 */
export async function openTarget(): Promise<Target> {
  const env = environment();
  const embedded = embeddedDatabase(env);
  if (embedded !== undefined) return await openEmbedded(embedded);
  const { settings, faults } = readDatabaseSettings(env);
  if (!settings) throw new Failure(faults.join("\n"), exit.usage);
  return { settings, embedded: false, besideDev: false, async [Symbol.asyncDispose]() {} };
}

/**
 * The name of the database on the embedded server that the environment means, if it means one: it
 * names no database at all, or the URL that .env has for the embedded server.
 */
export function embeddedDatabase(env: Environment): string | undefined {
  if (!env.DATABASE_URL) return env.PGHOST ? undefined : "slate";
  const url = URL.parse(env.DATABASE_URL);
  const own = url?.hostname === "127.0.0.1" && url.username === "slate" && url.password === "" &&
    !env.PGPASSWORD && env.PGPASSFILE &&
    resolve(root, env.PGPASSFILE) === join(dataDir(env), "pgpass");
  return own ? decodeURIComponent(url.pathname.slice(1)) || "slate" : undefined;
}

function dataDir(env: Environment): string {
  return resolve(root, env.SLATE_DATA_DIR || ".data");
}

async function openEmbedded(database: string): Promise<Target> {
  const { runningEmbedded, startEmbedded } = await import("../embedded/mod.ts");
  const folder = dataDir(environment());
  const running = await runningEmbedded(folder);
  if (running) {
    const settings = { ...running, database };
    const owner = await Deno.readTextFile(join(folder, "lock"));
    const besideDev = /^deno task dev,/.test(owner) && !owner.includes(`(process ${Deno.pid})`);
    return { settings, embedded: true, besideDev, async [Symbol.asyncDispose]() {} };
  }
  const server = await startEmbedded({ dataDir: folder, owner: "deno task db" });
  return {
    settings: { ...server.settings, database },
    embedded: true,
    besideDev: false,
    [Symbol.asyncDispose]: () => server.stop(),
  };
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
  let strategy: string | undefined;
  return {
    async create(template) {
      strategy ??= await copyStrategy(db);
      const database = `slate_scratch_${crypto.randomUUID().replaceAll("-", "")}`;
      try {
        await db.script(
          `create database ${database} template ${template?.database ?? "template0"} ${strategy}`,
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

/** Where nothing is synced to a disk, a checkpoint is cheaper than a copy through the log. */
async function copyStrategy(db: Database): Promise<string> {
  const rows = await db.query(sql`select where current_setting('fsync') = 'off'`);
  return rows.length > 0 ? "strategy file_copy" : "";
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

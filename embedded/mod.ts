import { statfs } from "node:fs/promises";
import { join, resolve } from "node:path";
import { homeOf, openLock, runBeside, serverAccount, takeBack, writeBeside } from "./account.ts";
import { binaries, major } from "./binaries.ts";
import { EmbeddedError } from "./error.ts";
import { temporaryFolder } from "./watchdog.ts";
import {
  freePort,
  PortTaken,
  preferredPort,
  type Server,
  stopLeftover,
  supervise,
} from "./server.ts";
import { begin, restoreTemplate } from "./template.ts";
import { connect, sql, Unreachable } from "../postgres/mod.ts";
import type { DatabaseSettings } from "../postgres/settings.ts";

export { EmbeddedError };

/** The one role of an embedded server, and the name of its database. */
export const role = "slate";

export interface EmbeddedServer {
  /** The database `slate` on it; on an ephemeral server `postgres`, which initdb makes. */
  settings: DatabaseSettings;
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /**
   * The folder for its data, its log and its password, created if missing. Without one the server
   * is ephemeral: nothing is synced to the disk, and all of it is removed when it stops.
   */
  dataDir?: string;
  /** An ephemeral server will hold little: it may be in memory. */
  small?: boolean;
  /** What the owner is called in the message to a second one. */
  owner?: string;
}

/** The folder that SLATE_DATA_DIR names, by default .data in the checkout. */
export function defaultDataDir(): string {
  return resolve(Deno.env.get("SLATE_DATA_DIR") || join(import.meta.dirname!, "..", ".data"));
}

/**
 * Starts a real PostgreSQL from npm: on the loopback only, with a password of its own. It stops when
 * stop() is called, and also when this process dies in any way; one that was left running all the
 * same is stopped first. Throws EmbeddedError, also when somebody else owns the folder.
 */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  if (Deno.build.os === "windows") {
    throw new EmbeddedError(
      "the embedded PostgreSQL runs on Linux and macOS: run this inside WSL, or set DATABASE_URL",
    );
  }
  const { owner = "another Slate command" } = options;
  if (options.dataDir !== undefined) return await startOwned(resolve(options.dataDir), owner);
  const folder = await temporaryFolder("slate-", await memoryFor(options.small));
  try {
    const { settings, stop } = await startOwned(folder.path, owner, true);
    return {
      settings,
      async stop() {
        await stop();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    // The first error is the one to throw.
    await folder[Symbol.asyncDispose]().catch(() => {});
    throw error;
  }
}

async function startOwned(
  dataDir: string,
  owner: string,
  ephemeral = false,
): Promise<EmbeddedServer> {
  const lock = await own(dataDir, owner);
  try {
    const { settings, stop } = await start(dataDir, ephemeral);
    return {
      settings,
      async stop() {
        await stop();
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/**
 * A small server is kept in memory where that is plentiful: a disk takes several times as long for
 * the thousands of files that come and go with a schema. TMPDIR has precedence.
 */
async function memoryFor(small = false): Promise<string | undefined> {
  const memory = "/dev/shm";
  const free = await statfs(memory).then(({ bavail, bsize }) => bavail * bsize, () => 0);
  return small && !Deno.env.get("TMPDIR") && free > 2 ** 30 ? memory : undefined;
}

/** What startEmbedded does once it owns the folder. */
async function start(dataDir: string, ephemeral: boolean): Promise<EmbeddedServer> {
  await refuseOtherMajor(dataDir);
  const account = await serverAccount(dataDir);
  const home = await homeOf(dataDir, account);
  const data = join(home, "postgres");
  const bin = await binaries(dataDir, account);
  return await startServer({ bin, home, data, account, ephemeral }, dataDir);
}

async function startServer(server: Server, dataDir: string): Promise<EmbeddedServer> {
  const { ephemeral } = server;
  if (ephemeral) await restoreTemplate(server, dataDir);
  const password = await passwordOf(dataDir);
  if (!await exists(join(server.data, "PG_VERSION"))) await begin(server, dataDir, password);
  if (await runningEmbedded(dataDir)) await stopLeftover(server);
  const { port, stop } = await superviseOnFreePort(server, dataDir);
  const settings = serverSettings(port, password);
  if (ephemeral) return { settings: { ...settings, database: "postgres" }, stop };
  try {
    await createDatabase(settings, dataDir);
  } catch (error) {
    await stop();
    throw error;
  }
  return { settings, stop };
}

/** Two that start at once find the same port free; the second one takes another. */
async function superviseOnFreePort(server: Server, dataDir: string) {
  for (let attempt = 1;; attempt++) {
    const port = server.ephemeral ? freePort() : await preferredPort(dataDir);
    try {
      return { port, stop: await supervise(server, port) };
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === 5) throw error;
    }
  }
}

/** The settings of the server that runs on this folder; undefined where none does. */
export async function runningEmbedded(dataDir: string): Promise<DatabaseSettings | undefined> {
  try {
    // The fourth line of postmaster.pid is the port that the running server listens on.
    const pidFile = await Deno.readTextFile(join(dataDir, "postgres", "postmaster.pid"));
    const port = Number(pidFile.split("\n")[3]);
    using _socket = await Deno.connect({ hostname: "127.0.0.1", port });
    return serverSettings(port, await passwordOf(dataDir));
  } catch {
    return undefined;
  }
}

function serverSettings(port: number, password: string): DatabaseSettings {
  return { host: "127.0.0.1", port, database: role, user: role, password, tls: "off" };
}

/** Takes the folder's lock, which the kernel releases however this process ends. */
async function own(dataDir: string, owner: string): Promise<Deno.FsFile> {
  const path = join(dataDir, "lock");
  let file: Deno.FsFile;
  try {
    await runBeside(dataDir, 'umask 077; mkdir -p "$1"');
    takeBack(dataDir);
    file = await openLock(path);
  } catch (error) {
    throw new EmbeddedError(
      `${dataDir} cannot be used (${
        (error as Error).message
      }): run this as the user who owns it, or set SLATE_DATA_DIR to another folder`,
    );
  }
  for (let attempt = 0; !await file.tryLock(true); attempt++) {
    if (attempt < 20) {
      await pause(250);
      continue;
    }
    const holder = (await Deno.readTextFile(path)).trim();
    file.close();
    throw new EmbeddedError(
      `${dataDir} is in use by ${holder}: stop that first, or set SLATE_DATA_DIR to another folder`,
    );
  }
  await runBeside(path, 'cat > "$1"', `${owner} (process ${Deno.pid})\n`);
  return file;
}

async function refuseOtherMajor(dataDir: string) {
  const data = join(dataDir, "postgres");
  const found = (await Deno.readTextFile(join(data, "PG_VERSION")).catch(() => major)).trim();
  if (found === major) return;
  throw new EmbeddedError(
    `${data} holds the data of PostgreSQL ${found}, and this Slate brings ${major}: dump it with that version and load it here, or set SLATE_DATA_DIR to another folder than ${dataDir}; nothing was changed`,
  );
}

/** The password, kept in a file as libpq reads it: dbmate and psql find it through PGPASSFILE. */
async function passwordOf(dataDir: string): Promise<string> {
  const path = join(dataDir, "pgpass");
  try {
    return (await Deno.readTextFile(path)).trim().split(":").pop()!;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const password = crypto.randomUUID().replaceAll("-", "");
    // Renamed when complete: half a password would lock us out.
    await writeBeside(path, `127.0.0.1:*:*:slate:${password}\n`);
    return password;
  }
}

async function createDatabase(settings: DatabaseSettings, dataDir: string) {
  const database = connect({ ...settings, database: "postgres" }, { size: 1, deadlineMs: 60_000 });
  try {
    const found = await database.query(sql`select from pg_database where datname = 'slate'`);
    if (found.length === 0) await database.script("create database slate");
  } catch (error) {
    if (!(error instanceof Unreachable) || error.code !== "28P01") throw error;
    throw new EmbeddedError(
      `the password in ${dataDir}/pgpass is not the one of the database there: put the old file back, or remove ${dataDir} to begin anew without its data`,
    );
  } finally {
    await database.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

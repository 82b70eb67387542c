import { assert } from "@std/assert";
import { removeFolder } from "./folder.ts";
import { sql } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { root } from "./root.ts";
import { until } from "./pool.ts";
import { connectPatiently } from "./database.ts";
import { freePort } from "./process.ts";

/** A process of its own that has started an embedded server. */
export interface Owner {
  settings: DatabaseSettings;
  /** The owner's process id, and its shell's, which stops the server when the owner is gone. */
  pids: number[];
  /** Lets it stop the server and end. */
  stop(): Promise<void>;
  /** kill -9 of the owner; the processes given follow it at once. */
  kill(...others: number[]): Promise<void>;
}

interface OwnerOptions {
  /** A command that runs the rest of its arguments as somebody else. */
  as?: string[];
  deno?: string;
  env?: Record<string, string>;
  /** The checkout whose code it runs. */
  checkout?: string;
}

/** Starts an owner. Throws an Error with what it said if it does not get so far. */
export async function startOwner(dataDir?: string, options: OwnerOptions = {}): Promise<Owner> {
  const { as = [], deno = Deno.execPath(), env, checkout = root } = options;
  const code = `
    const { startEmbedded } = await import(${JSON.stringify(`file://${checkout}/embedded/mod.ts`)});
    try {
      const server = await startEmbedded(${JSON.stringify({ dataDir })});
      console.log(JSON.stringify({ settings: server.settings, pid: Deno.pid }));
      await Deno.stdin.read(new Uint8Array(1));
      await server.stop();
    } catch (error) {
      console.log(JSON.stringify({ message: error.message, name: error.name }));
    }`;
  const [command, ...args] = [...as, deno, "eval", `--config=${checkout}/deno.json`, code];
  const child = new Deno.Command(command!, {
    args,
    cwd: "/",
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const end = async () => {
    await child.stdin.close().catch(() => {});
    await Promise.all([child.status, reader.cancel()]);
  };
  let said = "";
  for (let part; !said.endsWith("\n") && (part = await reader.read()).value;) said += part.value;
  const { settings, pid, message } = JSON.parse(said || '{"message":"it said nothing"}');
  if (message) {
    await end();
    throw new Error(message);
  }
  const pids = [pid, ...await childrenOf(pid)];
  return {
    settings,
    pids,
    stop: end,
    async kill(...others) {
      Deno.kill(pid, "SIGKILL");
      for (const other of others) Deno.kill(other, "SIGKILL");
      await end();
    },
  };
}

/** The processes that it has started and that are still there. */
export async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await new Deno.Command("pgrep", { args: ["-P", String(pid)] }).output();
  return new TextDecoder().decode(stdout).trim().split("\n").filter(Boolean).map(Number);
}

/** Whether the process is still there. */
export async function runs(pid: number): Promise<boolean> {
  const { success } = await new Deno.Command("ps", { args: ["-p", String(pid)], stdout: "null" })
    .output();
  return success;
}

/** The server's process. */
export async function postmaster(dataDir: string): Promise<number> {
  const pid = Number(
    (await Deno.readTextFile(`${dataDir}/postgres/postmaster.pid`)).split("\n")[0],
  );
  assert(pid > 1);
  return pid;
}

/** Leaves a note in the database, to be found later. */
export async function note(settings: DatabaseSettings, text: string) {
  const db = connectPatiently(settings, { size: 1 });
  await db.script(`create table if not exists notes (text text)`);
  await db.query(sql`insert into notes values (${text})`);
  await db.close();
}

/** The notes that are there. */
export async function notes(settings: DatabaseSettings): Promise<string[]> {
  const db = connectPatiently(settings, { size: 1 });
  const rows = await db.query<{ text: string }>(sql`select text from notes order by text`);
  await db.close();
  return rows.map((row) => row.text);
}

/** A folder that is gone at the end of the scope. What runs in its `data` keeps its port. */
export async function temporaryFolder(name: string): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: name });
  await Deno.mkdir(`${path}/data`, { mode: 0o700 });
  await keepPort(`${path}/data`);
  return {
    path,
    [Symbol.asyncDispose]: () => removeFolder(path),
  };
}

/**
 * Gives the server of a data folder a port of its own, which it finds again after each stop. Without
 * one it has 15432, which another one may have taken meanwhile.
 */
export async function keepPort(dataDir: string) {
  await Deno.writeTextFile(`${dataDir}/port`, `${freePort()}\n`);
}

export async function gone(path: string) {
  await until(async () => !await Deno.lstat(path).then(() => true, () => false));
}

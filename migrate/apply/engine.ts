import { join } from "node:path";
import { temporaryFolder } from "../../embedded/watchdog.ts";
import { connect, sql } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { exit, Failure, type signalNumbers } from "../command.ts";
import { dbmateCommand } from "./dbmate.ts";
import { pause } from "./interrupt.ts";
import { engineName } from "./lock.ts";
import type { Migration } from "../files/migrations.ts";

export interface EngineRun {
  settings: DatabaseSettings;
  files: EngineFiles;
  /** One, or several that dbmate is to apply in one session. */
  migrations: Migration[];
  action: "up" | "down";
  /** How long a statement waits for a table's lock; 0 is as long as it takes. */
  lockTimeoutSeconds: number;
  /** Stops the engine: a signal to us, or the loss of the lock. */
  stop: AbortSignal;
}

export interface EngineResult {
  /** 0 when dbmate says that it is done. */
  code: number;
  /** The signal that ended dbmate. */
  signal?: keyof typeof signalNumbers;
  /** What PostgreSQL or dbmate said, without dbmate's own trimmings. */
  message: string;
  /** PostgreSQL's code for it. */
  sqlState?: string;
  /** The file's line, where PostgreSQL named a position. */
  line?: number;
}

/**
 * The files of a run, each time in a folder of their own. What watches over the folder, so that a
 * kill -9 of us leaves nothing, is started once: for each migration it would cost as much as dbmate.
 */
export class EngineFiles implements AsyncDisposable {
  #folder?: AsyncDisposable & { path: string };
  #runs = 0;

  /** The folder that holds these files and no others. Throws a Failure where none can be written. */
  async write(migrations: Migration[]): Promise<string> {
    try {
      this.#folder ??= await temporaryFolder("migrate-");
      const path = join(this.#folder.path, `${++this.#runs}`);
      await Deno.mkdir(path);
      for (const { file, text } of migrations) await Deno.writeTextFile(join(path, file), text);
      return path;
    } catch (error) {
      throw new Failure(
        `no temporary file can be written (${
          (error as Error).message
        }): dbmate gets each migration in a folder of its own; set TMPDIR, or run with --allow-write=/tmp; nothing was changed`,
        exit.usage,
      );
    }
  }

  async [Symbol.asyncDispose]() {
    await this.#folder?.[Symbol.asyncDispose]();
  }
}

/**
 * Lets dbmate apply or revert migrations. It gets a folder that holds these files as they were
 * checked, so that it cannot take up anything else, nor a file that changed since.
 * When it ends, its session at the server is gone too: a statement does not outlive its client.
 */
export async function runEngine(run: EngineRun): Promise<EngineResult> {
  return await spawn(run, await run.files.write(run.migrations));
}

async function spawn(
  { settings, migrations, action, lockTimeoutSeconds, stop }: EngineRun,
  folder: string,
): Promise<EngineResult> {
  const session = `${engineName} ${crypto.randomUUID()}`;
  const command = await dbmateCommand(settings, [action === "up" ? "migrate" : "rollback"], {
    env: {
      DBMATE_MIGRATIONS_DIR: folder,
      PGOPTIONS: `-c lock_timeout=${lockTimeoutSeconds}s -c application_name=${
        session.replaceAll(" ", "\\ ")
      }`,
    },
    stdout: "piped",
    stderr: "piped",
  });
  let child: Deno.ChildProcess;
  try {
    child = command.spawn();
  } catch (error) {
    throw new Failure(
      `dbmate could not be started: install it, or set DBMATE_BIN (${(error as Error).message})`,
      exit.usage,
    );
  }
  const kill = () => child.kill("SIGTERM");
  stop.addEventListener("abort", kill);
  if (stop.aborted) kill();
  const { code, signal, stderr, stdout } = await child.output();
  stop.removeEventListener("abort", kill);
  if (code === 0) return { code, message: "" };
  await endSession(settings, session);
  const said = new TextDecoder().decode(stderr).trim() || new TextDecoder().decode(stdout).trim();
  return {
    code,
    signal: signal as keyof typeof signalNumbers ?? undefined,
    ...understand(said, migrations, action),
  };
}

/** Takes PostgreSQL's words out of dbmate's: `Error: line: 4, column: 3, ...: pq: <words> (42601)`. */
function understand(said: string, migrations: Migration[], action: "up" | "down") {
  // Where dbmate repeats the URL, it repeats the password in it.
  const clean = said.replaceAll(/\/\/[^@/\s]*@/g, "//***@");
  const [, line] = /^Error: line: (\d+),/m.exec(clean) ?? [];
  const [, words, sqlState] = /pq: ([^]*?)(?: at position [\d:]+)? \(([0-9A-Z]{5})\)/.exec(clean) ??
    [];
  // The last one that it names is the one that failed.
  const [, name] = [...said.matchAll(/^(?:Applying|Rolling back): (.+)$/gm)].at(-1) ?? [];
  const failed = migrations.find(({ file }) => file === name) ?? migrations[0]!;
  const firstLine = failed[action].line;
  return {
    message: words ?? clean.replace(/^Error: /m, ""),
    sqlState,
    line: line === undefined ? undefined : firstLine + Number(line) - 1,
  };
}

/** Ends what the server still does for a dbmate that is gone, and waits until it has. */
async function endSession(settings: DatabaseSettings, session: string) {
  const db = connect(settings, { size: 1, deadlineMs: 60_000, applicationName: "migrate" });
  try {
    // A minute: a session that undoes much takes its time.
    for (let attempt = 0; attempt < 600; attempt++) {
      const rows = await db.query(sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = ${session} and datname = current_database()
      `);
      if (rows.length === 0) return;
      await pause(100);
    }
  } catch {
    // The server is gone, and its sessions with it.
  } finally {
    await db.close();
  }
}

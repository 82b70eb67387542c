import type { Database } from "../../postgres/mod.ts";
import { type DatabaseSettings, isLocal } from "../../postgres/settings.ts";
import { type Context, exit, Failure, type Option, text, wholeNumber } from "../command.ts";
import { EngineFiles } from "./engine.ts";
import { catchSignals } from "./interrupt.ts";
import { createLedger, finish } from "./ledger.ts";
import { takeLock } from "./lock.ts";
import { type Folder, readFolder } from "../files/migrations.ts";
import { buildState, builtIndex } from "./indexes.ts";
import { openSession, requireWritable } from "./session.ts";
import { fromLedger, readState, type Row } from "./state.ts";
import type { Stepper } from "./step.ts";
import { openTarget } from "../target.ts";
import { project } from "../project.ts";

/** What a command has in hand while it holds the lock. */
export interface Change extends Stepper {
  folder: Folder;
  rows: Row[];
}

/** The options of every command that changes a database's schema. */
export const changeOptions = {
  "wait": { type: "boolean", summary: "wait for a server that is still starting" },
  "timeout": {
    type: "string",
    value: "seconds",
    summary: "how long to wait for the server, and for another run to end (300)",
  },
  "lock-timeout": {
    type: "string",
    value: "seconds",
    summary: "how long a statement may wait for a table before it lets readers pass (5)",
  },
} as const satisfies Record<string, Option>;

export const confirmOption = {
  confirm: {
    type: "string",
    value: "host/database",
    summary: "the database in full, needed where it is not on this machine",
  },
} as const satisfies Record<string, Option>;

/**
 * Opens the database, takes the lock, reads the state and hands over. Whatever happens, the lock
 * is given back, and a server that was started for it is stopped.
 */
export async function change(
  context: Context,
  { destructive = false }: { destructive?: boolean },
  work: (change: Change) => Promise<number>,
): Promise<number> {
  const timeoutMs = wholeNumber(context, "timeout", 300) * 1000;
  const lockTimeoutSeconds = wholeNumber(context, "lock-timeout", 5);
  const folder = await readFolder();
  using interrupt = catchSignals();
  await using target = await openTarget();
  const { settings } = target;
  if (destructive) requireConfirmation(context, settings);
  const db = await openSession(settings, {
    waitMs: context.options.wait ? timeoutMs : 0,
    signal: interrupt.signal,
    progress: context.progress,
  });
  try {
    await requireWritable(db, settings);
    const { signal } = interrupt;
    await using lock = await takeLock(settings, { timeoutMs, signal, progress: context.progress });
    await using files = new EngineFiles();
    // Where that refuses, it says that nothing was changed.
    const rows = await closeEnded(db, folder);
    await createLedger(db);
    const code = await work({
      settings,
      files,
      db,
      lock,
      interrupt,
      context,
      lockTimeoutSeconds,
      folder,
      rows,
    });
    await project.config.afterChange?.({ db, say: context.say, serverOwner: target.serverOwner });
    return code;
  } catch (error) {
    const code = interrupt.code();
    if (code && error instanceof Failure) throw new Failure(error.message, code);
    throw error;
  } finally {
    await db.close();
  }
}

/**
 * The state, after closing the entries of runs that were cut off, as far as the database itself
 * tells how they ended: a transaction either left its record or nothing, an index is there or not.
 */
async function closeEnded(db: Database, folder: Folder): Promise<Row[]> {
  const rows = await readState(db, folder);
  let closed = false;
  for (const { state, open: entry } of rows) {
    if (!entry) continue;
    if (state !== "unfinished") {
      const there = state === "applied" || state === "edited" || state === "missing";
      await finish(db, entry.id, there === (entry.action === "up") ? "done" : "failed");
      closed = true;
      continue;
    }
    const index = entry.action === "up" && await builtIndex(fromLedger(entry).up);
    if (index && await buildState(db, index.fields.idxname) === "absent") {
      await finish(db, entry.id, "failed");
      closed = true;
    }
  }
  return closed ? await readState(db, folder) : rows;
}

/** Against a database that is not on this machine, only who can name it goes on. */
export function requireConfirmation(context: Context, settings: DatabaseSettings) {
  if (isLocal(settings.host)) return;
  const name = `${settings.host}/${settings.database}`;
  const given = text(context, "confirm") ??
    (Deno.stdin.isTerminal() ? prompt(`This can lose data in ${name}. Type that name:`) : null);
  if (given === name) return;
  throw new Failure(
    given === null
      ? `this can lose data in a database that is not on this machine: say which one by --confirm ${name}`
      : `"${given}" is not ${name}: nothing was changed`,
    exit.usage,
  );
}

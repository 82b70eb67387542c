import type { Database } from "../../postgres/mod.ts";
import { deniedExtension, missingClass, missingExtension, missingRecord } from "../advice.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { type Context, exit, Failure, signalNumbers } from "../command.ts";
import { type EngineFiles, type EngineResult, runEngine } from "./engine.ts";
import { isConcurrent } from "../files/form.ts";
import { dropRemedy, invalidIndexes } from "./indexes.ts";
import { type Interrupt, pause } from "./interrupt.ts";
import { begin, finish, outOfSight, readApplied } from "./ledger.ts";
import type { Lock } from "./lock.ts";
import { openSession } from "./session.ts";
import type { Block, Migration } from "../files/migrations.ts";
import { project } from "../project.ts";

/** How often a statement that got no lock on a table is tried in all. */
const attempts = 5;

export interface Stepper {
  settings: DatabaseSettings;
  files: EngineFiles;
  db: Database;
  lock: Lock;
  interrupt: Interrupt;
  context: Context;
  /** How long a statement waits for a table's lock. */
  lockTimeoutSeconds: number;
}

/**
 * Applies or reverts one migration through dbmate and keeps the ledger. Throws a Failure that says
 * what happened and what is left: nothing for a migration in a transaction.
 */
export async function step(stepper: Stepper, migration: Migration, action: "up" | "down") {
  const { settings, files, db, lock, interrupt, context } = stepper;
  const block = migration[action];
  const lockTimeoutSeconds = await isPatient(block) ? 0 : stepper.lockTimeoutSeconds;
  const stop = AbortSignal.any([interrupt.signal, lock.lost]);
  throwIfStopped(stepper, migration);
  await requireUndone(db, migration, action);
  const entry = await begin(db, migration, action);
  for (let attempt = 1;; attempt++) {
    context.progress(`${action} ${migration.file}`);
    const started = performance.now();
    const run = { settings, files, migrations: [migration], action, lockTimeoutSeconds, stop };
    const result = await runEngine(run).catch(async (error) => {
      // dbmate never started.
      await finish(db, entry, "failed");
      throw error;
    });
    // The record in the database decides: dbmate may have been killed after its commit.
    const done = result.code === 0 ||
      (await readApplied(db)).includes(migration.version) === (action === "up");
    if (done) {
      await finish(db, entry, "done");
      const verb = action === "up" ? "applied" : "reverted";
      context.print(`${verb} ${migration.file} in ${elapsed(started)}`);
      await requireSight(settings, migration, block);
      if (result.code === 0 && !stop.aborted) return;
    }
    const again = !done && result.sqlState === "55P03" && attempt < attempts && !stop.aborted;
    if (again) {
      context.say(
        `${migration.path}: no lock within ${lockTimeoutSeconds} s, so that readers can go on; trying again (${
          attempt + 1
        } of ${attempts})`,
      );
      await pause(500 * 2 ** attempt * Math.random(), stop);
      if (!stop.aborted) continue;
    }
    const certain = block.transaction || (result.sqlState && !/^57P/.test(result.sqlState));
    if (!done && certain) await finish(db, entry, "failed");
    throw await explain(stepper, migration, action, result, done);
  }
}

/** dbmate would pass over a version in silence that is recorded, or not any more, when its turn comes. */
async function requireUndone(
  db: Database,
  { path, version }: Migration,
  action: "up" | "down",
) {
  if ((await readApplied(db)).includes(version) !== (action === "up")) return;
  const [is, done] = action === "up" ? ["is", "applied"] : ["is not any more", "reverted"];
  throw new Failure(
    `${path} ${is} recorded since this run began, by a migration before it or by somebody else, and was not ${done} now: look whether it is; \`${project.command} status\` shows what is recorded`,
  );
}

/** Whoever connects from now on may have another search_path, in which dbmate finds its table no more. */
async function requireSight(settings: DatabaseSettings, { path }: Migration, { text }: Block) {
  if (!/search_path/i.test(text)) return;
  const next = await openSession(settings);
  try {
    const fault = await outOfSight(next);
    if (fault) throw new Failure(`${path} is done and recorded; from now on ${fault}`, exit.usage);
  } finally {
    await next.close();
  }
}

/** Throws a Failure where a signal came, or the lock is not ours any more. */
export function throwIfStopped({ lock, interrupt }: Stepper, { path }: Migration) {
  if (!interrupt.signal.aborted && !lock.lost.aborted) return;
  throw new Failure(
    `stopped before ${path}: ${
      interrupt.code() ? "interrupted" : "the migration lock was lost"
    }; run it again`,
    interrupt.code() ?? exit.locked,
  );
}

/** Whether a block does not stop anybody while it waits, so that it may wait for long. */
async function isPatient(block: Block): Promise<boolean> {
  if (block.transaction) return false;
  const { parseBlock } = await import("../files/grammar.ts");
  return (await parseBlock(block)).every(({ kind, fields }) => isConcurrent(kind, fields));
}

/** What happened to a migration that failed, and what is left of it. */
export async function explain(
  { db, lock, interrupt, lockTimeoutSeconds }: Stepper,
  migration: Migration,
  action: "up" | "down",
  result: EngineResult,
  done: boolean,
): Promise<Failure> {
  const { path, version } = migration;
  const block = migration[action];
  const left = done
    ? "it is done and recorded"
    : block.transaction
    ? "its transaction was rolled back, nothing of it is left"
    : `it runs outside a transaction and may be done: \`${project.command} status\` says how to go on`;
  const code = interrupt.code();
  if (code) return new Failure(`interrupted at ${path}: ${left}`, code);
  if (lock.lost.aborted) {
    return new Failure(
      `lost the connection that holds the migration lock, and stopped at ${path}: ${left}; run it again`,
      exit.locked,
    );
  }
  if (result.signal) {
    return new Failure(
      `dbmate was killed by ${result.signal} at ${path}: ${left}; run it again`,
      128 + signalNumbers[result.signal],
    );
  }
  const line = result.line ?? await (await import("../files/grammar.ts")).likelyLine(block);
  const where = `${path}:${line}: ${result.message}`;
  if (result.sqlState?.startsWith("08")) {
    return new Failure(
      `dbmate could not connect: ${result.message} (${result.sqlState}); a pooler in between may refuse what dbmate asks for: set DATABASE_URL to the server's own address; ${left}`,
      exit.unreachable,
    );
  }
  if (result.sqlState === "55P03") {
    return new Failure(
      `${where}; ${attempts} times within ${lockTimeoutSeconds} s: look in pg_stat_activity for a transaction that stays open, end it, and run this again; ${left}`,
    );
  }
  const broken = block.transaction ? [] : await invalidIndexes(db);
  const mine = broken.find(({ name }) => block.text.includes(name));
  if (mine) {
    return new Failure(`${where}; it left the invalid index ${mine.name}: ${dropRemedy(mine)}`);
  }
  // What is applied is not edited in silence, its down neither.
  const accept = action === "down"
    ? `, accept that by \`${project.command} stamp ${version}\``
    : "";
  const advice = missingClass(result.message);
  const remedy = missingExtension(result.message) ?? missingRecord(result.message) ??
    await deniedExtension(db, result.message) ?? `${advice ? `${advice}; ` : ""}correct it`;
  return new Failure(
    result.sqlState
      ? `${where} (${result.sqlState}); ${remedy}${accept} and run this again; ${
        block.transaction ? left : "outside a transaction, so look whether a part of it is there"
      }`
      : `${path}: ${result.message || `dbmate ended with ${result.code}`}; ${left} (${version})`,
  );
}

function elapsed(started: number): string {
  const milliseconds = performance.now() - started;
  return milliseconds < 1000
    ? `${Math.round(milliseconds)} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
}

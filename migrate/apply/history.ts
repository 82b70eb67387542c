import { Failure } from "../command.ts";
import { counted } from "../finding.ts";
import type { Migration } from "../files/migrations.ts";
import { runEngine } from "./engine.ts";
import { begin, finish, readApplied } from "./ledger.ts";
import { explain, type Stepper, throwIfStopped } from "./step.ts";

/**
 * Applies what is at or before the baseline as dbmate alone would: in one run and one session, so
 * that what a file leaves to the next is there. Throws a Failure that names the file that failed.
 */
export async function applyHistory(stepper: Stepper, migrations: Migration[]) {
  const first = migrations[0];
  if (!first) return;
  const { settings, db, lock, interrupt, context } = stepper;
  throwIfStopped(stepper, first);
  const stop = AbortSignal.any([interrupt.signal, lock.lost]);
  const entries = new Map<Migration, string>();
  for (const migration of migrations) entries.set(migration, await begin(db, migration, "up"));
  context.progress(`up to the baseline: ${counted(migrations.length, "migration")}`);
  const run = { settings, migrations, action: "up" as const, lockTimeoutSeconds: 0, stop };
  const result = await runEngine(run).catch(async (error) => {
    // dbmate never started.
    for (const entry of entries.values()) await finish(db, entry, "failed");
    throw error;
  });
  const applied = new Set(await readApplied(db));
  for (const [{ version, file }, entry] of entries) {
    await finish(db, entry, applied.has(version) ? "done" : "failed");
    if (applied.has(version)) context.print(`applied ${file}`);
  }
  const failed = migrations.find(({ version }) => !applied.has(version));
  if (failed) throw await explain(stepper, failed, "up", result, false);
  if (result.code !== 0) throw new Failure(result.message);
}

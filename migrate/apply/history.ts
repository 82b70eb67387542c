import { Failure } from "../command.ts";
import { counted } from "../finding.ts";
import type { Migration } from "../files/migrations.ts";
import { type EngineResult, runEngine } from "./engine.ts";
import { begin, finish, readApplied } from "./ledger.ts";
import { explain, type Stepper, throwIfStopped } from "./step.ts";

/**
 * Applies what is at or before the baseline as dbmate alone would: in one run and one session, so
 * that what a file leaves to the next is there. A file that fails behind others is tried in another
 * run, as dbmate's next one would: history was applied in several, and nothing was left between
 * them. Throws a Failure that names the file that failed.
 */
export async function applyHistory(stepper: Stepper, migrations: Migration[]) {
  const first = migrations[0];
  if (!first) return;
  const { settings, files, db, lock, interrupt, context } = stepper;
  throwIfStopped(stepper, first);
  const stop = AbortSignal.any([interrupt.signal, lock.lost]);
  const entries = new Map<Migration, string>();
  for (const migration of migrations) entries.set(migration, await begin(db, migration, "up"));
  context.progress(`up to the baseline: ${counted(migrations.length, "migration")}`);
  const run = (migrations: Migration[]) =>
    runEngine({ settings, files, migrations, action: "up", lockTimeoutSeconds: 0, stop })
      .catch(async (error) => {
        // dbmate never started.
        for (const entry of entries.values()) await finish(db, entry, "failed");
        throw error;
      });
  let left = migrations;
  let result: EngineResult;
  let again: boolean;
  do {
    result = await run(left);
    const applied = new Set(await readApplied(db));
    const rest = left.filter(({ version }) => !applied.has(version));
    again = result.sqlState !== undefined && !stop.aborted &&
      rest.length < left.length && rest[0]?.up.transaction === true;
    left = rest;
  } while (again);
  for (const [migration, entry] of entries) {
    const done = !left.includes(migration);
    await finish(db, entry, done ? "done" : "failed");
    if (done) context.print(`applied ${migration.file}`);
  }
  if (left[0]) throw await explain(stepper, left[0], "up", result, false);
  if (result.code !== 0) throw new Failure(result.message);
}

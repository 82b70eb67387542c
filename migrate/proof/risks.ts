import type { Finding } from "../finding.ts";
import type { Migration } from "../files/migrations.ts";
import { type Effect, locks } from "./probe.ts";

const asIndex = "build a unique index concurrently, in a migration under transaction:false, and " +
  "add the constraint `using index` in the next one";
const later = "add it `not valid` and validate it in the next migration";
const quiet = "choose a quiet hour: it cannot be done beside running work";

/** What helps against reading every row under a lock, by what the statement does. */
const scanRemedies: Record<string, string> = {
  IndexStmt: "build it concurrently, in a migration under transaction:false",
  ReindexStmt: "rebuild it concurrently, in a migration under transaction:false",
  AlterDomainStmt: later,
  CONSTR_UNIQUE: asIndex,
  CONSTR_PRIMARY: asIndex,
  CONSTR_EXCLUSION: quiet,
  CONSTR_CHECK: later,
  CONSTR_FOREIGN: later,
  AT_SetNotNull: "add a check that it is not null, `not valid`, validate that in the next " +
    "migration, and set it then",
  AT_ValidateConstraint: "validate it in the next migration",
  AT_AttachPartition: "give it a check of its bounds first, `not valid`, and validate that in a " +
    "migration of its own",
};

/** `create index concurrently` refuses a table that has partitions. */
const ofPartition =
  "create it `on only` the parent, build one for each partition concurrently, in " +
  "a migration of its own, and attach them";

/** What helps against writing a table anew. */
const rewriteRemedies: Record<string, string> = {
  RefreshMatViewStmt: "refresh it `concurrently`, which takes a unique index",
  ClusterStmt: quiet,
  AT_SetLogged: quiet,
  AT_SetUnLogged: quiet,
  AT_SetTableSpace: quiet,
  AT_SetAccessMethod: quiet,
};

/** What is dangerous where the tables are big and in use. */
export function risks(migration: Migration, effects: Effect[]): Finding[] {
  const { path } = migration;
  const risks: Finding[] = [];
  for (const { line, steps, table, isPartition, lock, rewritten, scanned } of effects) {
    const remedy = (remedies: Record<string, string>) =>
      steps.map((step) => remedies[step]).find((words) => words !== undefined);
    if (rewritten) {
      // It is emptied at once, whatever it holds.
      if (steps.includes("TruncateStmt")) continue;
      risks.push({
        path,
        line,
        rule: "rewrite",
        message: `writes all of ${table} anew under ${lock}: nobody reads or writes it meanwhile`,
        remedy: remedy(rewriteRemedies) ?? "add a new column, fill it in slices, switch over",
      });
    } else if (scanned && locks.indexOf(lock) >= locks.indexOf("share")) {
      risks.push({
        path,
        line,
        rule: "scan-under-lock",
        message: `reads every row of ${table} while it holds ${lock}: ${
          lock === "access exclusive" ? "readers and writers wait" : "writers wait"
        }`,
        remedy: isPartition && steps.includes("IndexStmt")
          ? ofPartition
          : remedy(scanRemedies) ?? "do it in a migration of its own, in slices",
      });
    }
  }
  const undeclared = undeclaredLock(migration, effects);
  return undeclared ? [...risks, undeclared] : risks;
}

/** The strongest lock on a table in use, if the header's `-- lock:` does not name it. */
function undeclaredLock({ path, text }: Migration, effects: Effect[]): Finding | undefined {
  const strength = ({ lock }: Effect) => locks.indexOf(lock);
  const strongest = effects.filter((effect) => strength(effect) > locks.indexOf("row exclusive"))
    .sort((a, b) => strength(b) - strength(a))[0];
  const header = /^-- lock:[^]*?(?=^-- (?:up|down) |^(?!--))/m.exec(text)?.[0] ?? "";
  if (!strongest || header.replaceAll(/\n--/g, "").includes(strongest.lock)) return;
  return {
    path,
    line: strongest.line,
    rule: "undeclared-lock",
    message:
      `takes ${strongest.lock} on ${strongest.table}, and the header's lock line does not say so`,
    remedy: `write \`-- lock: ${strongest.lock} on ${strongest.table}, for how long\` above`,
  };
}

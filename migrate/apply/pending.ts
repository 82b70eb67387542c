import type { Context } from "../command.ts";
import { checkForm } from "../files/form.ts";
import { judge, type Verdict } from "../files/judge.ts";
import type { Folder, Migration } from "../files/migrations.ts";
import type { Finding } from "../finding.ts";
import { project } from "../project.ts";
import { findingsOf, type Row } from "./state.ts";

/** Whether the options say that it is to be applied, where the target does not leave it out. */
export function isWanted({ options }: Context): (row: Row) => boolean {
  const { again, "out-of-order": anyOrder } = options;
  return ({ state, entry }) =>
    state === "pending" || (state === "out of order" && anyOrder === true) ||
    (state === "unfinished" && again === true && entry!.action === "up");
}

/** What stands against applying what is pending, as far as the files and the ledger tell. */
export async function judgePending(
  folder: Folder,
  rows: Row[],
  pending: Row[],
): Promise<Verdict> {
  const newest = folder.migrations.at(-1)?.version ?? "";
  // An older release on a newer schema is every roll-back of a deployment: it has nothing to do.
  const obstacles = rows.filter((row) =>
    !pending.includes(row) && !(row.state === "missing" && row.version > newest)
  );
  const files = pending.map(({ file }) => file!);
  const findings = [...folder.findings, ...findingsOf(obstacles)];
  for (const file of files) findings.push(...await checkForm(file));
  return withoutDowns(judge(findings, folder.migrations), files);
}

/** What is wrong in a down alone stops nobody from going up, but under the profile `strict`. */
function withoutDowns(verdict: Verdict, files: Migration[]): Verdict {
  if (project.config.profile === "strict") return verdict;
  // Of a second up behind the down dbmate runs the first one, and fails at the second.
  const isDown = ({ path, line, rule }: Finding) =>
    rule !== "second-block" &&
    files.some(({ path: own, down }) => own === path && down.line > 0 && line >= down.line);
  return {
    ...verdict,
    errors: verdict.errors.filter((finding) => !isDown(finding)),
    warnings: [...verdict.warnings, ...verdict.errors.filter(isDown)],
  };
}

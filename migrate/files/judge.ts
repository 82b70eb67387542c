import type { Finding } from "../finding.ts";
import { project } from "../project.ts";
import { beyondHistory, levelOf } from "../rules.ts";
import { accept } from "./accept.ts";
import { splitName } from "./names.ts";
import type { Migration } from "./migrations.ts";

/** What is left of findings when the project has had its say. */
export interface Verdict {
  errors: Finding[];
  warnings: Finding[];
  /** Errors in files that the baseline accepts. */
  history: Finding[];
}

/**
 * Weighs findings: what rules are off, what is accepted in a file and what is in the history up to
 * the baseline, the project's or another one, does not count. With `complete` every rule was looked at, so that an acceptance of
 * nothing is one too many.
 */
export function judge(
  findings: Finding[],
  migrations: Migration[],
  { complete = false, baseline = project.config.baseline ?? "" } = {},
): Verdict {
  const judged = migrations.filter(({ version }) => version > baseline);
  const seen = findings.filter((finding) => !isIgnored(finding));
  const young = seen.filter((finding) => !isHistory(finding, baseline));
  const { findings: left, faults } = accept(judged, young);
  const old = seen.filter((finding) =>
    isHistory(finding, baseline) && levelOf(finding.rule, project.config) === "error"
  );
  const verdict: Verdict = { errors: [], warnings: [], history: old };
  for (const finding of [...left, ...complete ? faults : []]) {
    const level = levelOf(finding.rule, project.config);
    if (level === "error") verdict.errors.push(finding);
    if (level === "warning") verdict.warnings.push(finding);
  }
  return verdict;
}

function isHistory({ path, rule }: Finding, baseline: string): boolean {
  if (beyondHistory.includes(rule)) return false;
  const file = path.split(/[\\/]/).pop()!;
  return /^\d+.*\.sql$/.test(file) && splitName(file).version <= baseline;
}

/** A file beside the migrations of which the project says that it is meant to be passed over. */
function isIgnored({ path, rule }: Finding): boolean {
  const { ignore = [] } = project.config;
  return rule === "ignored-file" && ignore.includes(path.split(/[\\/]/).pop()!);
}

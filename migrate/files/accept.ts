import type { Finding } from "../finding.ts";
import { levelOf, measuredBy, ruleNames } from "../rules.ts";
import { project } from "../project.ts";
import type { Migration } from "./migrations.ts";

/** A comment by which an author accepts what a rule finds. */
interface Acceptance {
  path: string;
  line: number;
  rule: string;
  reason?: string;
  /** The lines that it speaks of. */
  from: number;
  to: number;
}

export interface Accepted {
  /** What is left. */
  findings: Finding[];
  /** What is wrong with the comments themselves. */
  faults: Finding[];
}

/**
 * Leaves out what its author has accepted: by `-- safety: allow <rule>: <reason>` above a
 * statement, or at the head of the file for all of it. An acceptance without a reason, or of what
 * nobody found, is itself a fault.
 */
export function accept(migrations: Migration[], findings: Finding[]): Accepted {
  const faults: Finding[] = [];
  const acceptances: Acceptance[] = [];
  for (const migration of migrations) acceptances.push(...read(migration, faults));
  const left = new Set(findings);
  for (const acceptance of acceptances) {
    const { path, line, rule } = acceptance;
    const fault = (message: string, remedy: string) =>
      faults.push({ path, line, rule: "acceptance", message, remedy });
    if (!ruleNames.includes(rule)) {
      fault(`accepts ${rule}, which is no rule`, "the name stands in brackets behind a finding");
      continue;
    }
    if (!acceptance.reason) {
      fault(`accepts ${rule} without a reason`, "say why it is safe here, after a colon");
    }
    const covered = findings.filter((finding) =>
      finding.path === path && [rule, measuredBy[rule]].includes(finding.rule) &&
      finding.line >= acceptance.from && finding.line <= acceptance.to
    );
    for (const finding of covered) left.delete(finding);
    if (covered.length === 0 && levelOf(rule, project.config) !== "off") {
      const what = acceptance.from > 0 ? "the statement below" : "this file";
      fault(`accepts ${rule}, which ${what} does not do`, "delete the comment");
    }
  }
  return { findings: [...left], faults };
}

function read({ path, text, up, down }: Migration, faults: Finding[]): Acceptance[] {
  const lines = text.split("\n");
  return lines.flatMap((content, i) => {
    const [, rule, reason] = /^\s*-- safety: allow ([\w-]+)(?:: *(\S.*))?$/.exec(content) ?? [];
    if (!rule) {
      if (/^\s*--\s*safety:/i.test(content)) {
        faults.push({
          path,
          line: i + 1,
          rule: "acceptance",
          message: "this acceptance is not understood",
          remedy: "write `-- safety: allow <rule>: <reason>`",
        });
      }
      return [];
    }
    const acceptance = { path, line: i + 1, rule, reason };
    if (i + 1 < up.line) return [{ ...acceptance, from: 0, to: Infinity }];
    // Several acceptances, and other comments, may stand above one statement.
    let target = i + 1;
    while (/^\s*(--|$)/.test(lines[target] ?? "x")) target++;
    // What is said of a block as a whole is found at its directive.
    const first = lines.slice(0, target).findLastIndex((line) => !/^\s*(--|$)/.test(line)) + 1;
    const block = [down.line, up.line].find((line) => line <= i + 1)!;
    return [{ ...acceptance, from: first < block ? block : i + 1, to: end(lines, target) + 1 }];
  });
}

/** The index of the line on which the statement that begins at `start` ends. */
function end(lines: string[], start: number): number {
  for (let i = start; i < lines.length; i++) if (/;\s*(--.*)?$/.test(lines[i]!)) return i;
  return lines.length;
}

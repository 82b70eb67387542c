import type { Finding } from "../finding.ts";
import type { Migration } from "../files/migrations.ts";

/** Something risky that its author may have meant. Accepted by a comment with a reason. */
export interface Risk extends Finding {
  rule: string;
}

/**
 * The risks that no `-- safety: allow <rule>: <reason>` on the lines right above accepts. An
 * acceptance without a reason, or of what nobody found, is itself a finding.
 */
export function unaccepted(migrations: Migration[], risks: Risk[]): Finding[] {
  const findings: Finding[] = [];
  const left = new Set(risks);
  for (const { path, text } of migrations) {
    const lines = text.split("\n");
    for (const [i, line] of lines.entries()) {
      const [, rule, reason] = /^\s*-- safety: allow ([\w-]+)(?:: *(\S.*))?$/.exec(line) ?? [];
      if (!rule) {
        if (!/^\s*--\s*safety:/i.test(line)) continue;
        findings.push({
          path,
          line: i + 1,
          message: "this acceptance is not understood",
          remedy: "write `-- safety: allow <rule>: <reason>`",
        });
        continue;
      }
      if (!reason) {
        findings.push({
          path,
          line: i + 1,
          message: `accepts ${rule} without a reason`,
          remedy: "say why it is safe here, after a colon",
        });
      }
      // Several acceptances, and other comments, may stand above one statement.
      let target = i + 1;
      while (/^\s*(--|$)/.test(lines[target] ?? "x")) target++;
      const end = statementEnd(lines, target);
      const accepted = risks.filter((risk) =>
        risk.path === path && risk.rule === rule && risk.line > target && risk.line <= end + 1
      );
      for (const risk of accepted) left.delete(risk);
      if (accepted.length > 0) continue;
      findings.push({
        path,
        line: i + 1,
        message: `accepts ${rule}, which the statement below does not do`,
        remedy: "delete the comment",
      });
    }
  }
  for (const { rule, ...finding } of left) {
    findings.push({
      ...finding,
      message: `${finding.message} [${rule}]`,
      remedy: `${finding.remedy}; or accept it with \`-- safety: allow ${rule}: <reason>\` above`,
    });
  }
  return findings;
}

/** The index of the line on which the statement that begins at `start` ends. */
function statementEnd(lines: string[], start: number): number {
  for (let i = start; i < lines.length; i++) if (/;\s*(--.*)?$/.test(lines[i]!)) return i;
  return lines.length;
}

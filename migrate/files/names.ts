import type { Finding } from "../finding.ts";
import type { Rule } from "../rules.ts";

/** What dbmate takes for a migration. */
export const fileName = /^\d+.*\.sql$/;

/** The number and the rest of a file's name. */
export function splitName(file: string): { version: string; name: string } {
  const version = /^\d+/.exec(file)![0];
  return { version, name: file.slice(version.length).replace(/^_/, "").replace(/\.sql$/, "") };
}

/** A file that dbmate would pass over without a word, or whose name invites accidents. */
export function checkName(path: string, entry: Deno.DirEntry): Finding | undefined {
  const finding = (rule: Rule, message: string, remedy: string) => ({
    path,
    line: 0,
    rule,
    message,
    remedy,
  });
  if (entry.isDirectory) {
    return finding(
      "ignored-file",
      "dbmate does not look into sub-directories",
      "move its files up, or name it in DBMATE_MIGRATIONS_DIR, or keep it elsewhere",
    );
  }
  if (!fileName.test(entry.name)) {
    return /\.sql$/i.test(entry.name) || /^\d/.test(entry.name)
      ? finding(
        "ignored-file",
        "dbmate ignores a file of this name",
        "name it <digits>_<what_it_does>.sql, all in lower case, or keep it elsewhere",
      )
      : undefined;
  }
  if (!/^[\w.-]+$/.test(entry.name)) {
    return finding(
      "file-name",
      "has a space, a quote or another special character in its name",
      "use letters, digits and underscores",
    );
  }
}

/** Two files with one number, and numbers that dbmate, which sorts names as text, puts wrongly. */
export function checkOrder(files: { path: string; name: string }[]): Finding[] {
  const findings: Finding[] = [];
  for (const [i, { path, name }] of files.entries()) {
    const before = files[i - 1];
    if (before === undefined) continue;
    const [a, b] = [splitName(before.name).version, splitName(name).version];
    if (BigInt(a) < BigInt(b)) continue;
    findings.push({
      path,
      line: 0,
      ...(a === b
        ? {
          rule: "duplicate-version",
          message: `has the same number as ${before.name}, and dbmate would run only one of them`,
          remedy: "give one of them a number of its own",
        }
        : {
          rule: "version-order",
          message: `sorts after ${before.name}, because dbmate sorts names as text`,
          remedy: "give all numbers the same length",
        }),
    });
  }
  return findings;
}

import { isAbsolute, join, relative, resolve } from "node:path";
import { createHash } from "node:crypto";
import { exit, Failure } from "../command.ts";
import { environment, project } from "../project.ts";
import type { Finding } from "../finding.ts";

/** The up or the down part of a migration, as dbmate cuts it out. */
export interface Block {
  /** From the directive on, so that a line of it is a line of the file. */
  text: string;
  /** The file's line that holds the directive, from 1. */
  line: number;
  /** Whether dbmate wraps it in a transaction together with the record that it ran. */
  transaction: boolean;
}

export interface Migration {
  /** The digits that dbmate records; a text, compared as text. */
  version: string;
  /** What follows the digits: create_todos. */
  name: string;
  /** The file's name in the folder. */
  file: string;
  /** The file as messages show it: relative to the checkout where it is inside. */
  path: string;
  /** The whole file with line feeds only. */
  text: string;
  /** SHA-256 of the text, so that a checkout with Windows line ends has the same one. */
  checksum: string;
  up: Block;
  down: Block;
  /** What its author says about why it cannot be reverted: `-- irreversible: <reason>`. */
  irreversible?: string;
  /** The versions in place of which a baseline stands, its own included: `-- replaces: 1 2`. */
  replaces?: string[];
}

export interface Folder {
  /** What dbmate would apply, in its order. Files that cannot be read in full are not here. */
  migrations: Migration[];
  /** What is wrong with names and directives, by file. */
  findings: Finding[];
}

/** Larger than any schema change. Data has better ways, and the ledger keeps each file. */
const maxBytes = 1024 * 1024;

/** The folder of the migrations: DBMATE_MIGRATIONS_DIR as for dbmate itself, else db/migrations. */
export function migrationsDir(): string {
  return resolve(project.root, environment().DBMATE_MIGRATIONS_DIR || join("db", "migrations"));
}

/** A path as messages show it. */
export function shownPath(path: string): string {
  const inside = relative(project.root, path);
  return inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}

/** Reads every migration of a folder. Throws a Failure when there is no such folder. */
export async function readFolder(dir: string = migrationsDir()): Promise<Folder> {
  const findings: Finding[] = [];
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(dir)) {
      const path = shownPath(join(dir, entry.name));
      const finding = checkName(path, entry);
      if (finding) findings.push(finding);
      else if (!entry.isDirectory && /^\d+.*\.sql$/.test(entry.name)) names.push(entry.name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Failure(
      `${
        shownPath(dir)
      } is not there: \`${project.command} new <name>\` makes it, or set DBMATE_MIGRATIONS_DIR`,
      exit.usage,
    );
  }
  names.sort((a, b) => a < b ? -1 : 1);
  findings.push(...checkOrder(dir, names));
  const migrations: Migration[] = [];
  for (const name of names) {
    const path = join(dir, name);
    const { size } = await Deno.stat(path);
    const read = size > maxBytes ? tooLarge(path, size) : parse(path, await Deno.readFile(path));
    findings.push(...read.findings);
    if (read.migration) migrations.push(read.migration);
  }
  return { migrations, findings };
}

/** The number and the rest of a file's name. */
export function splitName(file: string): { version: string; name: string } {
  const version = /^\d+/.exec(file)![0];
  return { version, name: file.slice(version.length).replace(/^_/, "").replace(/\.sql$/, "") };
}

/** The migration in a file's text, which may also come from the ledger. */
export function parse(
  path: string,
  bytes: Uint8Array,
): { migration?: Migration; findings: Finding[] } {
  const shown = shownPath(path);
  const findings: Finding[] = [];
  const report = (line: number, message: string, remedy: string) =>
    findings.push({ path: shown, line, message, remedy });
  const text = decode(bytes, report);
  if (text === undefined) return { findings };
  if (text.startsWith("\ufeff")) {
    report(
      1,
      "begins with a byte-order mark, which dbmate takes for SQL",
      "save it as plain UTF-8",
    );
  }
  const lines = text.split("\n");
  const directives = lines.flatMap((content, i) => {
    const found = /^--\s*migrate:(up|down)(?:\s*$|\s+\S+)/.exec(content);
    if (found) return [{ kind: found[1] as "up" | "down", line: i + 1, content }];
    if (/^\ufeff?\s*-{2,}\s*migrat(e|ion)\s*(:\s*(up|down)\b|\s(up|down)\s*$)/i.test(content)) {
      report(
        i + 1,
        "dbmate does not see this directive",
        "write it in lower case at the start of the line: -- migrate:up",
      );
    }
    return [];
  });
  const [up, down, extra] = directives;
  if (up?.kind !== "up") report(up?.line ?? 0, "has no up block", "begin it with -- migrate:up");
  else if (!down) report(0, "has no down block", "end it with -- migrate:down and its statements");
  else if (down.kind !== "down") {
    report(down.line, "a second up block", "put all statements into one, or write two migrations");
  } else if (extra) {
    report(extra.line, `another ${extra.kind} block`, "keep one up block and one down block");
  }
  for (const { line, content } of directives) {
    for (const option of content.replace(/^--\s*migrate:(up|down)/, "").trim().split(/\s+/)) {
      if (option === "" || /^transaction:(true|false)$/.test(option)) continue;
      report(
        line,
        `dbmate does not know the option ${option} and ignores it`,
        "the only one is transaction:false, without a space",
      );
    }
  }
  const before = lines.slice(0, (up?.line ?? 1) - 1).findIndex((l) => !/^\s*(--|$)/.test(l));
  if (before !== -1 && up && !text.startsWith("\ufeff")) {
    report(before + 1, "a statement before the up block", "move it below -- migrate:up");
  }
  if (findings.length > 0 || !up || !down) return { findings };
  const file = path.split(/[\\/]/).pop()!;
  const block = (from: number, to: number): Block => ({
    text: lines.slice(from - 1, to).join("\n"),
    line: from,
    transaction: !/\stransaction:false(\s|$)/.test(lines[from - 1]!),
  });
  const migration: Migration = {
    ...splitName(file),
    file,
    path: shown,
    text,
    checksum: createHash("sha256").update(text).digest("hex"),
    up: block(up.line, down.line - 1),
    down: block(down.line, lines.length),
    irreversible: /^-- irreversible: *(\S.*)$/m.exec(text)?.[1],
    replaces: /^-- replaces: *(\d[\d ]*)$/m.exec(text)?.[1]?.trim().split(/ +/),
  };
  return { migration, findings };
}

type Report = (line: number, message: string, remedy: string) => void;

/** The text with line feeds only; undefined where it is none, which is reported with its line. */
export function decode(bytes: Uint8Array, report: Report): string | undefined {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    report(firstBadLine(bytes), "is not UTF-8", "save it as plain UTF-8");
    return;
  }
  const nul = text.indexOf("\0");
  if (nul === -1) return text.replaceAll("\r\n", "\n");
  report(text.slice(0, nul).split("\n").length, "holds a NUL byte", "save it as plain UTF-8");
}

/** The line of the first byte that is not UTF-8. No character spans a line feed. */
function firstBadLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let start = 0, line = 1;; line++) {
    const end = bytes.indexOf(10, start);
    try {
      decoder.decode(bytes.subarray(start, end === -1 ? undefined : end));
    } catch {
      return line;
    }
    start = end + 1;
  }
}

function tooLarge(path: string, size: number): { migration?: Migration; findings: Finding[] } {
  const megabytes = (size / maxBytes).toFixed(1);
  return {
    findings: [{
      path: shownPath(path),
      line: 0,
      message: `has ${megabytes} MiB, and a migration may have 1`,
      remedy: "bring data in by \\copy or a script, or split it",
    }],
  };
}

/** A file that dbmate would pass over without a word, or whose name invites accidents. */
function checkName(path: string, entry: Deno.DirEntry): Finding | undefined {
  const finding = (message: string, remedy: string) => ({ path, line: 0, message, remedy });
  if (entry.isDirectory) {
    return finding("dbmate does not look into sub-directories", "move its files up");
  }
  if (!/^\d+.*\.sql$/.test(entry.name)) {
    return /\.sql$/i.test(entry.name) || /^\d/.test(entry.name)
      ? finding(
        "dbmate ignores a file of this name",
        "name it <digits>_<what_it_does>.sql, all in lower case",
      )
      : undefined;
  }
  if (!/^[\w.-]+$/.test(entry.name)) {
    return finding(
      "has a space, a quote or another special character in its name",
      "use letters, digits and underscores",
    );
  }
}

/** Two files with one number, and numbers that dbmate, which sorts names as text, puts wrongly. */
function checkOrder(dir: string, names: string[]): Finding[] {
  const findings: Finding[] = [];
  for (const [i, name] of names.entries()) {
    const before = names[i - 1];
    if (before === undefined) continue;
    const [a, b] = [splitName(before).version, splitName(name).version];
    if (BigInt(a) < BigInt(b)) continue;
    findings.push({
      path: shownPath(join(dir, name)),
      line: 0,
      ...(a === b
        ? {
          message: `has the same number as ${before}, and dbmate would run only one of them`,
          remedy: "give one of them a number of its own",
        }
        : {
          message: `sorts after ${before}, because dbmate sorts names as text`,
          remedy: "give all numbers the same length",
        }),
    });
  }
  return findings;
}

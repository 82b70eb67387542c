import { isAbsolute, join, relative, resolve } from "node:path";
import { createHash } from "node:crypto";
import { exit, Failure } from "../command.ts";
import { environment, project } from "../project.ts";
import type { Finding } from "../finding.ts";
import { type Rule, unreadable } from "../rules.ts";
import { checkName, checkOrder, fileName, splitName } from "./names.ts";
import { withoutQuotes } from "./sql_text.ts";

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
  /** What dbmate would apply, in its order. Files of which it would apply nothing are not here. */
  migrations: Migration[];
  /** What is wrong with names and directives, by file. */
  findings: Finding[];
}

/** Larger than a seed ought to be: the ledger keeps each file, and each proof runs it. */
const maxBytes = 8 * 1024 * 1024;

/**
 * The folders of the migrations: DBMATE_MIGRATIONS_DIR as for dbmate itself, one or several parted
 * by commas, else db/migrations.
 */
function migrationsDirs(): string[] {
  const named = environment().DBMATE_MIGRATIONS_DIR || join("db", "migrations");
  return named.split(",").map((dir) => resolve(project.root, dir));
}

/** The folder in which a new migration is written: the first of them, as for dbmate itself. */
export function migrationsDir(): string {
  return migrationsDirs()[0]!;
}

/** A path as messages show it. */
export function shownPath(path: string): string {
  const inside = relative(project.root, path);
  return inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}

/** Reads every migration of the folders. Throws a Failure when one of them is not there. */
export async function readFolder(dirs: string[] = migrationsDirs()): Promise<Folder> {
  const findings: Finding[] = [];
  const files: { dir: string; name: string }[] = [];
  for (const dir of dirs) {
    const entries = await Array.fromAsync(Deno.readDir(dir)).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Failure(
        `${
          shownPath(dir)
        } is not there: \`${project.command} new <name>\` makes it, or set DBMATE_MIGRATIONS_DIR`,
        exit.usage,
      );
    });
    for (const entry of entries) {
      const found = checkName(shownPath(join(dir, entry.name)), entry);
      if (found) findings.push(found);
      if (!entry.isDirectory && fileName.test(entry.name)) files.push({ dir, name: entry.name });
    }
  }
  files.sort((a, b) => a.name === b.name ? 0 : a.name < b.name ? -1 : 1);
  findings.push(
    ...checkOrder(files.map(({ dir, name }) => ({ path: shownPath(join(dir, name)), name }))),
  );
  const migrations: Migration[] = [];
  for (const { dir, name } of files) {
    const path = join(dir, name);
    const { size } = await Deno.stat(path);
    const read = size > maxBytes ? tooLarge(path, size) : parse(path, await Deno.readFile(path));
    findings.push(...read.findings);
    if (read.migration) migrations.push(read.migration);
  }
  return { migrations, findings };
}

/** The migration in a file's text, which may also come from the ledger. */
export function parse(
  path: string,
  bytes: Uint8Array,
): { migration?: Migration; findings: Finding[] } {
  const shown = shownPath(path);
  const findings: Finding[] = [];
  const report: Report = (line, rule, message, remedy) =>
    findings.push({ path: shown, line, rule, message, remedy });
  const text = decode(
    bytes,
    (line, message, remedy) => report(line, "encoding", message, remedy),
  );
  if (text === undefined) return { findings };
  if (text.startsWith("\ufeff")) {
    const message = "begins with a byte-order mark, which dbmate takes for SQL";
    report(1, "encoding", message, "save it as plain UTF-8");
  }
  const { directives, unseen } = findDirectives(text);
  checkBlocks(directives, unseen, report);
  const [up] = directives;
  const inHead = checkHead(text, up, report);
  const broken = inHead || findings.some(({ rule }) => unreadable.includes(rule));
  checkOptions(directives, report);
  if (broken || !up) return { findings };
  const down = directives.find(({ kind }, i) => kind === "down" && i > 0);
  const file = path.split(/[\\/]/).pop()!;
  const lines = text.split("\n");
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
    up: block(up.line, down ? down.line - 1 : lines.length),
    // Older releases of dbmate take it for an empty one.
    down: down ? block(down.line, lines.length) : { text: "", line: 0, transaction: true },
    irreversible: /^-- irreversible: *(\S.*)$/m.exec(text)?.[1],
    replaces: /^-- replaces: *(\d[\d ]*)$/m.exec(text)?.[1]?.trim().split(/ +/),
  };
  return { migration, findings };
}

type Report = (line: number, rule: Rule, message: string, remedy: string) => void;

/** A line that begins a block, or is meant to. */
interface Directive {
  kind: "up" | "down";
  line: number;
  content: string;
}

/** As dbmate reads it, to which a space is one of these, and no other one of Unicode. */
const seenDirective = /^--[\t\f\r ]*migrate:(up|down)(?:[\t\f\r ]*$|[\t\f\r ]+[^\t\f\r ]+)/;

/** What an author takes for a directive and dbmate does not; a word behind it makes it prose. */
const meantDirective =
  /^\ufeff?\s*-{2,}\s*migrat(?:e|ion)\s*[:\s]\s*(up|down)\b(?!\s+[a-z]+(?![\w:=]))/i;

/** The directives that dbmate sees, and those that it does not. */
function findDirectives(text: string): { directives: Directive[]; unseen: Directive[] } {
  const directives: Directive[] = [];
  const unseen: Directive[] = [];
  const outside = withoutQuotes(text).split("\n");
  for (const [i, content] of text.split("\n").entries()) {
    const seen = seenDirective.exec(content);
    const found = seen ?? meantDirective.exec(outside[i]!);
    if (!found) continue;
    const kind = found[1]!.toLowerCase() as Directive["kind"];
    (seen ? directives : unseen).push({ kind, line: i + 1, content });
  }
  return { directives, unseen };
}

/** One up, one down, in this order, each begun in the way that dbmate sees. */
function checkBlocks(directives: Directive[], unseen: Directive[], report: Report) {
  const [up, second, third] = directives;
  for (const { kind, line } of unseen) {
    report(
      line,
      kind === "up" && up?.kind !== "up" ? "missing-up" : "directive",
      "dbmate does not see this directive",
      `write it in lower case at the start of the line: -- migrate:${kind}`,
    );
  }
  // What is meant for one has been told.
  const isMeant = (kind: Directive["kind"]) => unseen.some((directive) => directive.kind === kind);
  if (up?.kind !== "up") {
    if (!isMeant("up")) {
      report(up?.line ?? 0, "missing-up", "has no up block", "begin it with -- migrate:up");
    }
  } else if (!second) {
    const remedy = "end it with -- migrate:down and its statements";
    if (!isMeant("down")) report(0, "missing-down", "has no down block", remedy);
  } else if (second.kind !== "down") {
    const remedy = "put all statements into one, or write two migrations";
    report(second.line, "second-block", "a second up block", remedy);
  } else if (third) {
    const remedy = "keep one up block and one down block";
    report(third.line, "second-block", `another ${third.kind} block`, remedy);
  }
}

/** Nothing but comments stands before the up block. Returns whether something else does. */
function checkHead(text: string, up: Directive | undefined, report: Report): boolean {
  const head = up?.kind === "up" ? text.split("\n").slice(0, up.line - 1) : [];
  const before = head.findIndex((line) => !/^\s*(--|$)/.test(line));
  // A byte-order mark has been told.
  if (before !== -1 && !text.startsWith("\ufeff")) {
    const message = "a statement before the up block, or a comment that does not begin with --";
    report(before + 1, "directive", message, "move it below -- migrate:up");
  }
  return before !== -1;
}

function checkOptions(directives: Directive[], report: Report) {
  for (const { line, content } of directives) {
    for (const option of content.replace(/^--\s*migrate:(up|down)/, "").trim().split(/\s+/)) {
      if (option === "" || /^transaction:(true|false)$/.test(option)) continue;
      report(
        line,
        "unknown-option",
        `dbmate does not know the option ${option} and ignores it`,
        "the only one is transaction:false, without a space",
      );
    }
  }
}

/** The text with line feeds only; undefined where it is none, which is reported with its line. */
export function decode(
  bytes: Uint8Array,
  report: (line: number, message: string, remedy: string) => void,
): string | undefined {
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
  const megabytes = (bytes: number) => (bytes / 1024 / 1024).toFixed(1).replace(/\.0$/, "");
  return {
    findings: [{
      path: shownPath(path),
      line: 0,
      rule: "file-size",
      message: `has ${megabytes(size)} MiB, and a migration may have ${megabytes(maxBytes)}`,
      remedy: "bring data in by \\copy or a script, or split it",
    }],
  };
}

import type { ParseArgsOptionDescriptor } from "node:util";

/** What every command ends with; 128+n is an end by signal n. */
export const exit = { done: 0, found: 1, usage: 2, unreachable: 3, locked: 4 } as const;

/** Signals that end a command, with the numbers that POSIX and every shell give them. */
export const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 } as const;

/** An expected end: the message is shown as it is, without a stack trace. */
export class Failure extends Error {
  override name = "Failure";
  constructor(message: string, readonly code: number = exit.found) {
    super(message);
  }
}

export type Option = ParseArgsOptionDescriptor & {
  /** One line of the command's help. */
  summary: string;
  /** What stands for the value of a string option in the help. */
  value?: string;
};

export interface Context {
  /** The arguments that are not options. */
  positionals: string[];
  options: Record<string, string | boolean | string[] | undefined>;
  /** A result: one line on standard output. */
  print(text: string): void;
  /** A message: one line on standard error. */
  say(text: string): void;
  /** Overwrites the last line of progress. Says nothing where standard error is no terminal. */
  progress(text: string): void;
}

export interface Command {
  name: string;
  /** What follows the name: `[target] [options]`. */
  usage: string;
  /** Paragraphs of the help, after the usage. */
  description: string;
  /** Calls, a line each, without the words before the name. */
  example: string;
  /** How few and how many positionals it takes. */
  arguments: [min: number, max: number];
  options: Record<string, Option>;
  /** Resolves to the exit code. */
  run(context: Context): Promise<number>;
}

/** The text of a string option, or undefined. */
export function text(context: Context, name: string): string | undefined {
  const value = context.options[name];
  return typeof value === "string" ? value : undefined;
}

/** A string option as a whole number, or the default. Throws a Failure of wrong use. */
export function wholeNumber(context: Context, name: string, otherwise: number): number {
  const value = text(context, name);
  if (value === undefined) return otherwise;
  if (!/^\d{1,6}$/.test(value)) {
    throw new Failure(`--${name} is "${value}": it must be a whole number`, exit.usage);
  }
  return Number(value);
}

/** Paints on a terminal, and only there. */
export function paint(color: "red" | "green" | "yellow" | "dim" | "bold", text: string): string {
  if (Deno.noColor || !Deno.stdout.isTerminal()) return text;
  const code = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 }[color];
  return `\x1b[${code}m${text}\x1b[0m`;
}

/** Columns as wide as their widest cell, two spaces apart. */
export function table(rows: string[][]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, bareLength(cell)));
  }
  return rows.map((row) =>
    row.map((cell, i) => cell + " ".repeat(widths[i]! - bareLength(cell))).join("  ").trimEnd()
  );
}

function bareLength(cell: string): number {
  // deno-lint-ignore no-control-regex -- the escape sequences that paint() writes
  return [...cell.replaceAll(/\x1b\[\d+m/g, "")].length;
}

/** The candidate that is fewest edits away, if that is near enough to be a typing error. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = edits(name, candidate);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next[j] = Math.min(replaced, row[j]! + 1, next[j - 1]! + 1);
    }
    row = next;
  }
  return row[b.length]!;
}

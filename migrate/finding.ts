import type { Context } from "./command.ts";
import type { Rule } from "./rules.ts";

/** Something wrong in a file. Shown as `path:line: message [rule]; remedy`. */
export interface Finding {
  path: string;
  /** From 1; 0 where the file as a whole, or its name, is meant. */
  line: number;
  /** By which it can be accepted or switched: one of the command's own, or one of squawk's. */
  rule: Rule | (string & Record<never, never>);
  message: string;
  remedy: string;
}

/** The finding as a line of a message; what a message lists stands on lines of its own below. */
export function formatFinding({ path, line, rule, message, remedy }: Finding): string {
  const [first, ...list] = message.split("\n");
  const said = list.length > 0 ? first!.replace(/:$/, "") : first;
  const head = `${path}${line > 0 ? `:${line}` : ""}: ${said} [${rule}]; ${remedy}`;
  return [head, ...list].join("\n");
}

/** Shows what is wrong, a line each, and before it what only warns. */
export function report({ say }: Pick<Context, "say">, errors: Finding[], warnings: Finding[] = []) {
  for (const finding of warnings) say(`warning: ${formatFinding(finding)}`);
  for (const finding of errors) say(formatFinding(finding));
}

/** `one finding`, `2 findings`. */
export function counted(count: number, noun: string): string {
  return `${count === 1 ? "one" : count} ${noun}${count === 1 ? "" : "s"}`;
}

/** By file and line; always in the same order. */
export function sorted<F extends Finding>(findings: F[]): F[] {
  const key = ({ line, rule, message }: Finding) =>
    `${String(line).padStart(8, "0")} ${rule} ${message}`;
  return findings.toSorted((a, b) =>
    a.path === b.path ? (key(a) < key(b) ? -1 : 1) : a.path < b.path ? -1 : 1
  );
}

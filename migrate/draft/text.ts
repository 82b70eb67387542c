import { format } from "sql-formatter";
import type { Difference } from "../catalog/catalog.ts";
import { inPlainWords } from "../catalog/words.ts";
import { brokenConstraint, layOut } from "../schema/layout.ts";
import { type Effect, locks } from "../proof/probe.ts";
import {
  asWeWrite,
  closing,
  sqlPattern,
  unquoted,
  withoutPublic,
  withoutQuotes,
} from "../files/sql_text.ts";
import { homeSchema } from "../project.ts";

/** One statement of a draft as our conventions ask, with its semicolon. */
export function written(statement: string, keywords: Set<string>): string {
  const qualified = withoutDoubleParentheses(unquoted(statement.trim(), keywords));
  const text = homeSchema() === "public" ? withoutPublic(qualified) : qualified;
  const [, kind] =
    /^create (?:or replace )?(?:unique |constraint |materialized |unlogged |event )*(\w+)/i.exec(
      text,
    ) ?? [];
  switch (kind?.toLowerCase()) {
    case "table":
      // The formatter does not know what stands behind `for values`.
      if (sqlPattern("^create table <path> partition of ", "i").test(text)) {
        return layOut("statement", text);
      }
      return `${
        format(asWeWrite(text), {
          language: "postgresql",
          keywordCase: "lower",
          dataTypeCase: "lower",
          functionCase: "lower",
          expressionWidth: 90,
        })
      };`;
    case "view":
      return layOut("view", text.replace(/ AS +(?=SELECT|WITH)/, " AS\n"));
    case undefined: {
      const [, table, clause] =
        sqlPattern("^alter table (<path>) add (constraint [^]*)$").exec(asWeWrite(text)) ??
          [];
      if (clause) return `alter table ${table}\n  add ${brokenConstraint(clause, "  ")};`;
      return layOut("statement", text);
    }
    default:
      return layOut(kind!.toLowerCase(), text).replace(
        /^create function/,
        () => /^create or replace/i.test(text) ? "create or replace function" : "create function",
      );
  }
}

/**
 * `check ((x > 1))` says no more than `check (x > 1)`. An index needs both around an expression, a
 * call around a row, and a body is not ours.
 */
function withoutDoubleParentheses(text: string): string {
  const plain = withoutQuotes(text);
  const idle = [...plain.matchAll(/(?<=\b(?:check|using|when|where|on|having|always as) )\(\(/gi)]
    .flatMap(({ index }) => {
      const [outer, inner] = [closing(plain, index), closing(plain, index + 1)];
      return outer === inner + 1 ? [index, outer] : [];
    });
  return text.split("").filter((_, i) => !idle.includes(i)).join("");
}

/** What the differences come to, in words: `adds column users.email, drops index todos_idx`. */
export function inWords(differences: Difference[]): string {
  const told = differences.filter(({ kind }) => kind !== "column order");
  // What only a catalog's name tells follows from something that has a name of its own, if there is any.
  const known = told.filter(({ kind }) => !kind.startsWith("pg_"));
  const shown = (known.length > 0 ? known : told).map((difference) => {
    const { kind, expected, found } = difference;
    // What is set was something before, and is something after.
    const verb = /^(setting|owner)$/.test(kind)
      ? "changes"
      : expected === undefined
      ? "adds"
      : found === undefined
      ? "drops"
      : "changes";
    return `${verb} ${inPlainWords(difference).replaceAll("public.", "")}`;
  });
  const more = shown.length > 8 ? `, and ${shown.length - 8} more` : "";
  return shown.slice(0, 8).join(", ") + more;
}

/** The measured locks as the header says them. */
export function lockLine(effects: Effect[]): string {
  const tables = new Map<string, Effect>();
  for (const effect of effects) {
    const known = tables.get(effect.table);
    tables.set(effect.table, {
      ...effect,
      lock: known && locks.indexOf(known.lock) > locks.indexOf(effect.lock)
        ? known.lock
        : effect.lock,
      rewritten: effect.rewritten || known?.rewritten === true,
      scanned: effect.scanned || known?.scanned === true,
    });
  }
  const strong = [...tables.values()].filter(({ lock }) =>
    locks.indexOf(lock) > locks.indexOf("row exclusive")
  );
  if (strong.length === 0) return "none on what is in use";
  return strong.map(({ table, lock, rewritten, scanned }) =>
    `${lock} on ${table}, ${
      rewritten
        ? "while all of it is written anew"
        : scanned
        ? "while every row is read"
        : "for a moment"
    }`
  ).join("; ");
}

/** A comment on as many lines as it needs. */
export function comment(text: string): string {
  const lines: string[] = [];
  let line = "--";
  for (const word of text.split(/\s+/)) {
    if (line.length + word.length + 1 > 100) {
      lines.push(line);
      line = "--";
    }
    line += ` ${word}`;
  }
  return [...lines, line].join("\n");
}

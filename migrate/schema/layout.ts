import { asWeWrite, broken, outsideQuotes, withoutPublic } from "../files/sql_text.ts";
import { homeSchema } from "../project.ts";

/** What PostgreSQL writes with every schema, whatever the search_path is. */
const qualified = /^(comment|owner|operator|conversion|aggregate|text search)\b/;

/** The statements of these that begin with such a name; the rest of them is as the search_path says. */
const qualifiedHead =
  /^((?:create|alter) (?:or replace )?(?:function|procedure|statistics) )public\./i;

/** A definition without the schema `public`, where a reader, and PostgreSQL, takes that for granted. */
export function shortened({ kind, ddl }: { kind: string; ddl: string }): string {
  if (homeSchema() !== "public") return ddl;
  return qualified.test(kind) ? withoutPublic(ddl) : ddl.replace(qualifiedHead, "$1");
}

/**
 * A definition as PostgreSQL writes it, as a statement that people read: in our words, one clause a
 * line where it is long. The kind is that of the object that it defines.
 */
export function layOut(kind: string, ddl: string): string {
  if (kind === "function" || kind === "procedure") return functionText(ddl);
  const text = asWeWrite(ddl).trim();
  const rewritten = (from: RegExp, to: string) =>
    `${outsideQuotes(text, (part) => part.replace(from, to))};`;
  switch (kind) {
    case "index":
      return broken(`${text};`, / (on|where|include) /g, "");
    case "trigger":
      return rewritten(/ (for each|execute function) /g, "\n  $1 ")
        .replace(/\n {2}(for each \S+)( when [^]*)?\n/, "\n  $1$2\n");
    case "policy":
      return rewritten(/ (using|with check) \(/g, "\n  $1 (");
    case "view":
    case "materialized view":
      return rewritten(/\n {1,3}/g, "\n");
    default:
      return `${text};`;
  }
}

/** A constraint's clause on as many lines as it needs. */
export function brokenConstraint(clause: string, indent: string): string {
  // A text of several lines in it has to stay as it is.
  if (clause.includes("\n")) return clause;
  const text = broken(clause, / (references|check) |(?<=\)) on (delete|update) /g, indent);
  return text.split("\n").map((line) => broken(line, / and /g, `${indent}  `)).join("\n");
}

function functionText(ddl: string): string {
  const [, head, quote, body] = /^([^]*?)\n?AS (\$\w*\$)([^]*)\2\s*$/.exec(ddl) ?? [];
  const text = outsideQuotes(
    asWeWrite(head ?? ddl),
    (part) => part.replace("create or replace", "create").replace(/\n +/g, "\n  "),
  ).trim();
  if (!quote) return `${text};`;
  const short = /\$(?:\$|$)/.test(body!) ? quote : "$$";
  return `${text}\nas ${short}${body}${short};`;
}

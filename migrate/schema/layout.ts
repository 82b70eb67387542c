import { asWeWrite, broken } from "../files/sql_text.ts";

/**
 * A definition as PostgreSQL writes it, as a statement that people read: in our words, one clause a
 * line where it is long. The kind is that of the object that it defines.
 */
export function layOut(kind: string, ddl: string): string {
  if (kind === "function" || kind === "procedure") return functionText(ddl);
  const text = asWeWrite(ddl).trim();
  switch (kind) {
    case "index":
      return broken(`${text.replace(" on only ", " on ")};`, / (on|where|include) /g, "");
    case "trigger":
      return `${text.replace(/ (for each|execute function) /g, "\n  $1 ")};`
        .replace(/\n {2}(for each \S+)( when [^]*)?\n/, "\n  $1$2\n");
    case "policy":
      return `${text.replace(/ (using|with check) \(/g, "\n  $1 (")};`;
    case "view":
    case "materialized view":
      return `${text.replace(/\n {1,3}/g, "\n")};`;
    default:
      return `${text};`;
  }
}

/** A constraint's clause on as many lines as it needs. */
export function brokenConstraint(clause: string, indent: string): string {
  const text = broken(clause, / (references|check) |(?<=\)) on (delete|update) /g, indent);
  return text.split("\n").map((line) => broken(line, / and /g, `${indent}  `)).join("\n");
}

function functionText(ddl: string): string {
  const [, head, quote, body] = /^([^]*?)\n?AS (\$\w*\$)([^]*)\2\s*$/.exec(ddl) ?? [];
  const text = asWeWrite(head ?? ddl).replace("create or replace", "create")
    .replace(/\n +/g, "\n  ").trim();
  if (!quote) return `${text};`;
  const short = body!.includes("$$") ? quote : "$$";
  return `${text}\nas ${short}${body}${short};`;
}

/** The text of db/statements.sql: what PostgreSQL receives, for people who review SQL as SQL. */
import type { Request } from "./every_request.ts";
import type { Query, Sent } from "./queries.ts";

const head = `\
-- Every statement of db/*.ts as PostgreSQL receives it, under the name of its function; of a list's
-- filters and sorts each alone. Written by \`deno task statements\`, never by hand.
-- To run one in psql: paste it without its semicolon, then \`\\bind 'value of $1' 'value of $2' ... \\g\`.
`;

/** In the order of the files and their functions. Throws where a parameter's meaning is unknown. */
export function statementTexts(queries: Query[], sent: Sent<Request>[]): string {
  return head + queries.map((query) => {
    const own = sent.filter(({ file, name, cause }) =>
      file === query.file && name === query.name && cause.plain
    );
    const distinct = new Map(own.toReversed().map((one) => [one.statement.text, one]));
    const texts = [...distinct.values()].reverse().map((one) => textOf(query, one));
    return `\n-- ${query.file}: ${query.name}\n${texts.join("")}`;
  }).join("");
}

function textOf(query: Query, { statement, cause }: Sent<Request>): string {
  const numbers = new Map<string, string[]>();
  for (const [i, value] of statement.values.entries()) {
    const meaning = meaningOf(value, cause);
    if (meaning === undefined) {
      throw new Error(
        `${query.file}: ${query.name}: tests/support/every_request.ts knows no meaning of ` +
          `$${i + 1}, ${JSON.stringify(value)}, in ${statement.text}`,
      );
    }
    numbers.set(meaning, [...numbers.get(meaning) ?? [], `$${i + 1}`]);
  }
  const parameters = Array.from(
    numbers,
    ([meaning, all]) => `--   ${all.join(", ")}: ${meaning}\n`,
  );
  return `\n-- ${occasion(cause)}\n${parameters.join("")}${laidOut(statement.text)};\n`;
}

function meaningOf(value: unknown, { meanings }: Request): string | undefined {
  if (value === null) return "null";
  if (/^\[\{/.test(String(value))) return "the items, as JSON";
  // A time was sent without its microseconds.
  return meanings.get(value) ?? meanings.get(String(value).replace(/\.0+Z$/, "Z")) ??
    // A secret is new for each request; all others are known.
    (/^[0-9a-f]{64}$/.test(String(value)) ? "SHA-256 of the new secret" : undefined);
}

/** What it is sent for, without what differs from run to run. */
function occasion({ target, operationId, query, headers }: Request): string {
  if (target === "") return operationId;
  const [method, path] = target.split("?")[0]!.split(" ");
  const chosen = Object.entries(query).filter(([name]) => name !== "limit");
  const asked = [
    ...chosen.map(([name, value]) => `${name}=${value}`),
    ...Object.keys(headers),
    ...(target.includes("cursor=") ? ["cursor"] : []),
  ];
  const where = path!.replace(/\d+/, "{id}");
  return [`${method} ${where}`, ...asked].join(", ");
}

/** Without the indentation of the source and the lines that a fragment left empty. */
function laidOut(text: string): string {
  const lines = text.split("\n").map((line) => line.trimEnd()).filter((line) => line !== "");
  const indents = lines.map((line) => line.length - line.trimStart().length);
  const margin = Math.min(...indents.slice(1));
  return lines.map((line, i) => line.slice(Math.min(indents[i]!, margin))).join("\n");
}

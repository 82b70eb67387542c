/** `$$ … $$`, whose name between the dollars is the second group; not the dollars of a name. */
const dollarQuoted = String
  .raw`(?<![\w$\u0080-\uffff])\$((?:(?!\d)[\w\u0080-\uffff]+)?)\$[^]*?\$\2\$`;

const quoted = `"(?:[^"]|"")*"`;
/** A plain name may have letters of any script: PostgreSQL takes every character beyond ASCII for one. */
const name = String.raw`(?:${quoted}|[\w$\u0080-\uffff]+)`;

/** What a pattern of SQL is written with. */
const words: Record<string, string> = {
  quoted,
  name,
  path: String.raw`${name}(?:\.${name})*`,
  word: String.raw`(?:${quoted}|[^\s"])+`,
  text: `'(?:[^']|'')*'`,
};

/**
 * A pattern in which `<name>` is a name, `<quoted>` or plain, `<path>` one behind that of its schema or
 * table, `<word>` what no space parts outside of quotes, as a type or a list, and `<text>` a literal.
 */
export function sqlPattern(source: string, flags = ""): RegExp {
  return new RegExp(source.replace(/<([a-z]+)>/g, (all, kind) => words[kind] ?? all), flags);
}

/** Quoted and dollar-quoted parts, which nothing here may touch, and the text between them. */
const parts = sqlPattern(
  String.raw`(<text>|<quoted>|${dollarQuoted}|--[^\n]*)|([^'"$-]+|.)`,
  "gs",
);

const pathParts = sqlPattern('<quoted>|[^".]+', "g");
const listParts = sqlPattern('<quoted>|[^", ]+', "g");
const lastPart = sqlPattern('(?:<quoted>|[^."]+)$');

/** The names of a path, as they are: of `a."b.c"` they are a and b.c. */
export function namesOf(path: string): string[] {
  return (path.match(pathParts) ?? [])
    .map((part) => part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part);
}

/** Rewrites what stands outside of quotes, dollar quotes and comments. */
export function outsideQuotes(text: string, rewrite: (part: string) => string): string {
  let result = "", plain = "";
  for (const [whole, quoted] of text.matchAll(parts)) {
    if (quoted === undefined) plain += whole;
    else {
      result += rewrite(plain) + quoted;
      plain = "";
    }
  }
  return result + rewrite(plain);
}

/** Names without the quotes that they do not need. */
export function unquoted(text: string, keywords: Set<string>): string {
  return text.replace(parts, (whole, quoted?: string) => {
    const name = quoted?.startsWith('"') ? quoted.slice(1, -1) : "";
    return /^[a-z_][a-z0-9_]*$/.test(name) && !keywords.has(name) ? name : whole;
  });
}

/** Without the quotes of plain names, keywords too: two texts that name one thing are equal then. */
export function bare(text: string): string {
  return unquoted(text, new Set());
}

/** The names of a list as PostgreSQL writes it: `a, "b, c"` are two. */
export function listedNames(list = ""): string[] {
  return list.match(listParts) ?? [];
}

/** The last part of a name: of `a."b.c"` it is `"b.c"`. */
export function lastName(name: string): string {
  return lastPart.exec(name)![0];
}

/** What stands before the last part of a name and its dot: of `a."b.c"` it is `a`. */
export function parentName(name: string): string {
  return name.slice(0, -lastName(name).length - 1);
}

/**
 * Without the schema `public`, of a text that names everything with its schema. Where something else
 * is called so, `public.id` may be its column, and the text stays.
 */
export function withoutPublic(text: string): string {
  let other = false;
  outsideQuotes(text, (part) => {
    other ||= /(?<!\b(?:to|from|for) )\bpublic\b(?!\.)/i.test(part);
    return part;
  });
  const schema = /(?<![."])\bpublic\.(?=[a-z_"]|$)/gi;
  return other ? text : outsideQuotes(text, (part) => part.replace(schema, ""));
}

/**
 * PostgreSQL's own words for a definition as we write them: lower case (an unquoted name has no
 * capitals), the short names of types.
 */
export function asWeWrite(ddl: string): string {
  const lower = outsideQuotes(ddl, (part) =>
    part.toLowerCase()
      .replace(/\btimestamp(\(\d\))? with time zone/g, "timestamptz$1")
      .replace(/\btimestamp(\(\d\))? without time zone/g, "timestamp$1")
      .replace(/\btime(\(\d\))? with time zone/g, "timetz$1")
      .replace(/\btime(\(\d\))? without time zone/g, "time$1")
      .replace(/\bcharacter varying\b/g, "varchar")
      .replace(/ using btree (?=\()/g, " ")
      .replace(/\breferences ([\w.]+)\(/g, "references $1 ("));
  // x in ('a', 'b'), which PostgreSQL keeps as an array.
  return lower.replace(
    /= any \(array\[((?:'(?:[^']|'')*'::text(?:, )?)+)\]\)/g,
    (_, items: string) => `in (${items.replaceAll("'::text", "'")})`,
  );
}

/** `clause` broken before each of `words`, the rest indented, where it would be a long line. */
export function broken(clause: string, words: RegExp, indent: string): string {
  if (indent.length + clause.length <= 98 || clause.includes("\n")) return clause;
  return outsideQuotes(
    clause,
    (part) => part.replace(words, (found) => `\n${indent}  ${found.trimStart()}`),
  );
}

/** The text with what stands in quotes and in block comments blanked; lines keep their numbers. */
export function withoutQuotes(text: string): string {
  const token = new RegExp(
    String.raw`--[^\n]*|\be'(?:[^'\\]|\\[^]|'')*'|(['"])(?:(?!\1)[^]|\1\1)*\1|${dollarQuoted}|/\*`,
    "gi",
  );
  let result = "", rest = 0;
  for (let found = token.exec(text); found; found = token.exec(text)) {
    if (found[0].startsWith("--")) continue;
    const end = found[0] === "/*" ? endOfComment(text, found.index) : token.lastIndex;
    result += text.slice(rest, found.index);
    result += text.slice(found.index, end).replace(/[^\n]/g, " ");
    token.lastIndex = rest = end;
  }
  return result + text.slice(rest);
}

/** Where a block comment ends, which may hold others. */
function endOfComment(text: string, start: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 0;
  for (let mark = marks.exec(text); mark; mark = marks.exec(text)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return text.length;
}

/** Of `alter foreign table t options (add a 'b')` the list, as a creation has it. */
export function addedOptions(ddl: string): string {
  return outsideQuotes(ddl, (part) => part.replaceAll("add ", "")).replace(
    /^.*? options (?=\()/s,
    "",
  );
}

/** What stands in the parentheses that open at the end of what matches first. */
export function inParentheses(text: string, opening: RegExp): string {
  const plain = withoutQuotes(text);
  const found = opening.exec(plain)!;
  const start = found.index + found[0].length;
  return text.slice(start, closing(plain, start - 1));
}

/** Where the parenthesis that opens at `start` closes, in a text without quotes. */
export function closing(plain: string, start: number): number {
  let depth = 0;
  for (let i = start; i < plain.length; i++) {
    if (plain[i] === "(") depth++;
    else if (plain[i] === ")" && --depth === 0) return i;
  }
  return plain.length;
}

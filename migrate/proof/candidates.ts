import type { ColumnShape } from "./rows_query.ts";

/**
 * Texts that PostgreSQL casts to the column's base type, the likeliest first. `literals` are what
 * its checks mention: a value near one of them is likely to pass. `n` makes them differ from row to
 * row.
 */
export function candidates(column: ColumnShape, literals: string[], n: number): string[] {
  const { base, labels } = column;
  if (labels) return labels;
  const numbers = literals.filter((text) => /^-?\d+(\.\d+)?$/.test(text)).map(Number);
  const values = byType(base, n) ?? byCategory(column, literals, numbers, n);
  return [...new Set(values)];
}

function byCategory(
  { type, base, category }: ColumnShape,
  literals: string[],
  numbers: number[],
  n: number,
): string[] {
  const whole = /^(smallint|integer|bigint|oid)$/.test(base);
  switch (category) {
    case "N": {
      // More digits than a narrower type keeps.
      const exact = /^(numeric|real|double precision|money)/.test(base) ? [`${n}.123456789`] : [];
      return [...exact, n, 1, 0, ...numbers.flatMap((k) => [k, k + 1, k - 1]), 10, 100, 0.5]
        .map(String)
        .filter((text) => Math.abs(Number(text)) < Math.min(limit(type), limit(base)))
        .filter((text) => whole ? /^-?\d+$/.test(text) : !text.includes("e"));
    }
    case "S":
      return texts(literals, numbers, n);
    case "B":
      return ["true", "false"];
    case "D":
      return [
        moment(n).replace(":00:00.000", ":34:56.789012"),
        moment(n),
        ...literals.flatMap(around),
        "infinity",
      ];
    case "T":
      return [`${n} hours`, "1 day", ...literals.filter((text) => /^\d+:|^\d+ \w+/.test(text))];
    case "A":
      return ["{}"];
    case "I":
      return [`10.0.${n >> 8 & 255}.${n & 255}`];
    case "R":
      return ["empty"];
    case "V":
      return ["1", "101"];
    default:
      return ["1"];
  }
}

function moment(n: number): string {
  return new Date(Date.UTC(2024, 0, 1) + n * 3_600_000).toISOString();
}

/** Below which a `numeric(precision, scale)` has room. */
function limit(type: string): number {
  const [, precision, scale = 0] = /^numeric\((\d+)(?:,(-?\d+))?\)/.exec(type) ?? [];
  return precision === undefined ? Infinity : 10 ** (Number(precision) - Number(scale));
}

/** Types whose category says too little. */
function byType(base: string, n: number): string[] | undefined {
  const hex = n.toString(16);
  const bytes = (length: number) => `\\x${hex.padStart(length * 2, "0")}`;
  if (base === "uuid") return [`00000000-0000-4000-8000-${hex.padStart(12, "0")}`];
  if (base === "bytea") return [32, 16, 20, 64, 8, 4].map(bytes);
  if (/^jsonb?$/.test(base)) return ["{}", "[]", '"text"', "1", "true", `{"id": ${n}}`];
  if (base === "xml") return ["<a/>"];
  if (/^time( |\(|$)/.test(base)) return ["12:34:56.789012", "12:00:00", "00:00:00"];
  if (base === "point") return [`(${n},1)`];
  if (base === "line") return [`{1,1,${n}}`];
  if (base === "circle") return [`<(0,0),${n}>`];
  // A segment, a box, a path and a polygon alike.
  if (/^(lseg|box|path|polygon)$/.test(base)) return [`((0,0),(${n},1))`];
  if (base === "macaddr") return ["08:00:2b:01:02:03"];
  if (/^bit/.test(base)) return ["1", "10101010"];
  if (base === "tsvector" || base === "tsquery") return ["word"];
  if (/range$/.test(base)) return ["empty", "{}"];
}

function texts(literals: string[], numbers: number[], n: number): string[] {
  const word = `sample${n}`;
  return [
    word,
    ...literals,
    `${word}@example.com`,
    `https://example.com/${word}`,
    ...numbers.filter((k) => Number.isInteger(k) && k > 0 && k <= 10_000)
      .map((k) => word.padEnd(k, "x").slice(0, k)),
    String(n),
    `S${n}`,
    "A",
    "AB",
    "ABC",
    `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`,
    "+15551234567",
    "2024-01-01",
    "0123456789abcdef".repeat(4),
    "",
  ];
}

/** A moment, and a day before and after it. */
function around(text: string): string[] {
  const iso = text.includes(":")
    ? text.replace(/(\d) (\d)/, "$1T$2").replace(/([+-]\d\d)$/, "$1:00")
    : text;
  const time = Date.parse(iso);
  if (Number.isNaN(time)) return [];
  return [0, 86_400_000, -86_400_000].flatMap((shift) => {
    const iso = new Date(time + shift).toISOString();
    // PostgreSQL writes other years otherwise.
    return /^\d{4}-/.test(iso) && !iso.startsWith("0000") ? [iso] : [];
  });
}

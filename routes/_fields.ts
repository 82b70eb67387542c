import { z } from "@hono/zod-openapi";

/*
 * The fields that several resources share. What validates here also documents: everything that a
 * caller must know is in the JSON Schema, so text rules are patterns (with the u flag, which counts
 * code points and so agrees with char_length in PostgreSQL).
 */

/** Any character but U+0000, which PostgreSQL cannot store, and a lone surrogate. */
const character = String.raw`[^\u0000\ud800-\udfff]`;

/** A string that matches. Its pattern is documented without the flag, as JSON Schema has it. */
function pattern(source: string, message: string) {
  return z.string().regex(new RegExp(source, "u"), message).openapi({ pattern: source });
}

/** Text of 1 to `most` code points. */
export function text(most: number) {
  return pattern(`^${character}{1,${most}}$`, `must have 1 to ${most} characters`)
    .openapi({ minLength: 1, maxLength: most });
}

/** Text of a query parameter, which may be empty. */
export function words(most: number) {
  return pattern(`^${character}{0,${most}}$`, `must have at most ${most} characters`)
    .openapi({ maxLength: most });
}

/** How a search reads its words, for the document. */
export const search =
  'Case and accents do not matter, and the last word may be the beginning of one. `"a phrase"`, `-without`, `this or that`.';

/** An address, as far as that can be known without sending to it. */
export const email = pattern(
  String.raw`^(?=${character}{3,120}$)[^\s@\u0000\ud800-\udfff]+@[^\s@\u0000\ud800-\udfff]+$`,
  "must be an email address of at most 120 characters",
).openapi({ maxLength: 120, example: "ada@example.com" });

/** A whole number of a body. Of what a double cannot count by ones zod would say that twice. */
export function whole(least: number, most: number) {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.int({ error, abort: true }).min(least, error).max(most, error);
}

export const age = whole(0, 150);

const largestId = Number.MAX_SAFE_INTEGER;

/** A row's id on the wire: a JSON number that a double holds exactly. */
export const id = whole(1, largestId);

/**
 * What the docs page has in the field of a parameter, and does not send until somebody ticks it.
 * Without it the page sends the only value of an enum, and warns of an empty date or number.
 */
export const offered = (value: string | number) => ({
  examples: { default: { value, "x-disabled": true } },
});

/** An id in a path: canonical digits, kept as text for PostgreSQL. */
export const pathId = z.string()
  .refine(
    (text) => /^[1-9]\d{0,15}$/.test(text) && Number(text) <= largestId,
    `must be a whole number from 1 to ${largestId}`,
  )
  .openapi({ type: "integer", minimum: 1, maximum: largestId });

/** The same in a query. */
export const idParameter = pathId.openapi({ param: offered(1) });

const dateTime = String.raw`\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[tT]` +
  String.raw`([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([zZ]|[+-]([01]\d|2[0-3]):[0-5]\d)`;

/**
 * RFC 3339 with any offset, in the years 0001 to 9998 of UTC. Handed on in UTC, because PostgreSQL
 * takes offsets to 15:59 only, and cut to its microseconds.
 */
export const instantParameter = z.string()
  .regex(new RegExp(`^${dateTime}$`), {
    message: "must be a date and time of RFC 3339, such as 2030-01-31T09:00:00Z",
    abort: true,
  })
  .check((given) => {
    const utc = toUtc(given.value);
    const message = "must be a day that exists, in the years 0001 to 9998";
    if (utc === undefined) given.issues.push({ code: "custom", input: given.value, message });
    else given.value = utc;
  })
  .openapi({
    format: "date-time",
    pattern: `^(?!0000|9999)${dateTime}$`,
    param: offered("2030-01-31T09:00:00Z"),
  });

/** The same in a body. In a query the docs page would send this example. */
export const instant = instantParameter.openapi({ example: "2030-01-31T09:00:00Z" });

/** A day of the calendar, in the years 0001 to 9999. */
export const date = z.iso
  .date({ error: "must be a day that exists, such as 2030-01-31", abort: true })
  .refine((text) => !text.startsWith("0000"), "must be in the years 0001 to 9999")
  .openapi({ pattern: String.raw`^(?!0000)\d{4}-\d\d-\d\d$`, example: "2030-01-31" });

/** The instant in UTC with six digits; undefined where the day or the year is not to be had. */
function toUtc(text: string): string | undefined {
  let utc;
  try {
    utc = Temporal.Instant.from(text)
      .toString({ smallestUnit: "microsecond", roundingMode: "trunc" });
  } catch {
    return undefined;
  }
  // A year of more or fewer digits has a sign, which sorts before every digit.
  return [text, utc].every((time) => time >= "0001" && time < "9999") ? utc : undefined;
}

/** A time as it is answered: UTC with six digits. */
export const timestamp = z.string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  .openapi({ format: "date-time", example: "2030-01-31T09:00:00.000000Z" });

/** What every row carries beside its own fields. */
export const rowFields = {
  created_at: timestamp,
  updated_at: timestamp,
  version: z.int().min(1).openapi({
    description: "Grows with each change. In quotes it is the ETag.",
  }),
};

/** `true` or `false` in a query. */
export const flag = z.enum(["true", "false"]).transform((text) => text === "true")
  .openapi({ type: "boolean" });

/** What differs between the schemas of one resource. */
interface Differences<Fields extends z.ZodRawShape> {
  /** The values of a new row for fields that are left out. */
  defaults?: { [Name in keyof Fields]?: z.output<Fields[Name]> };
  /** The fields that are answered in another form than they are sent. */
  answered?: { [Name in keyof Fields]?: z.ZodType };
}

/** The schemas of a resource: the row, a page of them, a new one, and a change of one. */
export function schemas<Fields extends z.ZodRawShape>(
  noun: string,
  fields: Fields,
  { defaults = {}, answered = {} }: Differences<Fields> = {},
) {
  const withDefaults = Object.entries(fields).map(([name, field]) => [
    name,
    name in defaults ? (field as z.ZodType).default(defaults[name]) : field,
  ]);
  const row = z.strictObject({ id, ...fields, ...answered, ...rowFields }).openapi(noun);
  return {
    row,
    page: pageOf(noun, row),
    new: z.strictObject(Object.fromEntries(withDefaults) as Fields).openapi(`New${noun}`),
    change: z.strictObject(fields).partial().openapi(`${noun}Change`),
  };
}

/** The schema of a page of such rows. */
export function pageOf<Row extends z.ZodType>(noun: string, row: Row) {
  return z.strictObject({
    data: z.array(row),
    next_cursor: z.string().nullable().openapi({
      description: "Where the next page starts; null on the last one.",
    }),
  }).openapi(`${noun}Page`);
}

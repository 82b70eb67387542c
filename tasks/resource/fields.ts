import type { Bounds } from "./bounds.ts";
import { namesOf } from "./names.ts";
import { type Column, ResourceError } from "./table.ts";

/** A column as the files of a resource write it. */
export interface Field {
  name: string;
  /** In the query's interface: `string | null`. */
  type: string;
  /** In the route: `text(100)`. */
  schema: string;
  /** What the answer has instead, where that differs: a time's `timestamp`. */
  answered: string | undefined;
  /** What a new row has where it is left out; undefined: it is required. */
  fallback: string | undefined;
  /** In a list of columns: `t.title`. */
  shown: string;
  /** Behind a parameter of an insert: `::integer`. */
  cast: string;
  /** Names of routes/_fields.ts that `schema` and `answered` use. */
  imports: string[];
  /** Values that a test sends, as code: two that differ where there are two, later columns more. */
  samples: [string, string];
}

type Part = Pick<Field, "type" | "schema" | "samples"> & {
  imports?: string[];
  answered?: string;
  cast?: string;
};

const integers: Record<string, [number, number]> = {
  smallint: [-32768, 32767],
  integer: [-2147483648, 2147483647],
  bigint: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

/** Of a range: what its two ends are, and what they may be called. */
const parts: Record<string, [type: string, start: string, end: string]> = {
  tstzrange: ["timestamptz", "starts_at", "ends_at"],
  daterange: ["date", "starts_on", "ends_on"],
  int4range: ["integer", "at_least", "at_most"],
  int8range: ["bigint", "at_least", "at_most"],
  numrange: ["numeric", "at_least", "at_most"],
};

/** How a column is written. Throws a ResourceError for one that has to be written by hand. */
export function fieldOf(column: Column, place: number): Field {
  const { name, nullable } = column;
  const { type, schema, answered, cast = "", imports = [], samples } = partOf(column, place);
  const orNull = nullable ? ".nullable()" : "";
  return {
    name,
    type: nullable ? `${type} | null` : type,
    schema: schema + orNull,
    answered: answered && answered + orNull,
    fallback: fallbackOf(column),
    shown: answered ? `\${utc(sql\`t.${name}\`)} as ${name}` : `t.${name}`,
    cast,
    imports,
    samples,
  };
}

function partOf(column: Column, place: number): Part {
  const { type, bounds } = column;
  if (column.references) {
    const { words } = namesOf(column.references);
    return {
      type: "number",
      schema: `id`,
      imports: ["id"],
      cast: "::bigint",
      samples: [`${words.replaceAll(" ", "_")}_id`, `${words.replaceAll(" ", "_")}_id`],
    };
  }
  if (type in integers) return integer(column, integers[type]!, place);
  switch (type) {
    case "text":
    case "character varying":
      return bounds.values ? oneOf(bounds.values) : text(column);
    case "boolean":
      return {
        type: "boolean",
        schema: 'z.boolean("must be true or false")',
        cast: "::boolean",
        samples: ["true", "false"],
      };
    case "date":
      return {
        type: "string",
        schema: "date",
        imports: ["date"],
        cast: "::date",
        samples: [day(place, 1), day(place, 15)],
      };
    case "timestamp with time zone":
      return {
        type: "string",
        schema: "instant",
        answered: "timestamp",
        imports: ["instant", "timestamp"],
        cast: "::timestamptz",
        samples: [instant(place, 1), instant(place, 15)],
      };
    case "double precision":
    case "numeric": {
      const { least, most, above = -Infinity, below = Infinity } = bounds;
      const low = least ?? Math.max(above + 1, Math.min(1, below - 2));
      return {
        type: "number",
        schema: `z.number("must be a number")${range(bounds)}`,
        cast: `::${type}`,
        samples: [`${low}`, `${most ?? low + 1}`],
      };
    }
  }
  const [part, start, end] = parts[type] ?? [];
  if (part) {
    throw new ResourceError(
      `${column.name} is ${type}, which callers send as two fields: make it two columns of ${part}, ` +
        `such as ${start} and ${end}; a constraint can take their range, ` +
        `\`exclude using gist (owner_id with =, ${type}(${start}, ${end}) with &&)\``,
    );
  }
  throw new ResourceError(
    `${column.name} is ${type}, for which there is no field yet: leave the column out of the table, ` +
      "write the resource, and add the column by hand",
  );
}

/** Of the month that the column's place counts, so that what comes later in a table is later. */
function day(place: number, of: number): string {
  return JSON.stringify(new Date(Date.UTC(2030, place, of)).toISOString().slice(0, 10));
}

function instant(place: number, of: number): string {
  return JSON.stringify(new Date(Date.UTC(2030, place, of, 9)).toISOString().replace("Z", "000Z"));
}

function text({ name, bounds: { length, empty } }: Column): Part {
  if (length === undefined) {
    throw new ResourceError(
      `${name} is text of any length: bound it, by \`check (char_length(${name}) between 1 and 100)\``,
    );
  }
  return {
    type: "string",
    schema: `${empty === false ? "text" : "words"}(${length})`,
    imports: [empty === false ? "text" : "words"],
    samples: [JSON.stringify("a".slice(0, length)), JSON.stringify("b".slice(0, length))],
  };
}

function oneOf(values: string[]): Part {
  const names = values.map((value) => JSON.stringify(value));
  return {
    type: names.join(" | "),
    schema: `z.enum([${names.join(", ")}])`,
    samples: [names[0]!, names.at(-1)!],
  };
}

function integer(
  { type, bounds }: Column,
  [smallest, largest]: [number, number],
  place: number,
): Part {
  const { above = smallest - 1, below = largest + 1 } = bounds;
  const { least = above + 1, most = below - 1 } = bounds;
  const near = Math.min(Math.max(1, least) + place, most);
  return {
    type: "number",
    schema: `whole(${least}, ${most})`,
    imports: ["whole"],
    cast: `::${type}`,
    samples: [`${near}`, `${Math.min(near + 1, most)}`],
  };
}

function range({ least, most, above, below }: Bounds): string {
  const said = (method: string, bound: number | undefined, words: string) =>
    bound === undefined ? "" : `.${method}(${bound}, "must be ${words} ${bound}")`;
  return said("min", least, "at least") + said("gt", above, "more than") +
    said("max", most, "at most") + said("lt", below, "less than");
}

/** A default that JSON can say; any other one leaves the field required. */
function fallbackOf({ nullable, default: written, bounds }: Column): string | undefined {
  if (written === undefined) return nullable ? "null" : undefined;
  if (/^(true|false|-?\d+(\.\d+)?)$/.test(written)) return written;
  const quoted = /^'((?:[^']|'')*)'::/.exec(written)?.[1]?.replaceAll("''", "'");
  const known = quoted !== undefined && (!bounds.values || bounds.values.includes(quoted));
  return known && written.endsWith("::text")
    ? JSON.stringify(quoted)
    : nullable
    ? "null"
    : undefined;
}

import fc from "fast-check";
import type { Json } from "../support/api.ts";

type Values = fc.Arbitrary<Json>;

/**
 * Any character of Unicode, as fast-check's own unit "binary": but that one first writes a table of all
 * 1.1 million, which took a second wherever this was loaded.
 */
export const unit = fc.nat({ max: 0x10ffff - 0x800 }).map(
  (n) => String.fromCodePoint(n < 0xd800 ? n : n + 0x800),
  (text) => {
    if (typeof text !== "string" || !/^[^\ud800-\udfff]$/u.test(text)) throw new Error("not one");
    const point = text.codePointAt(0)!;
    return point < 0xd800 ? point : point - 0x800;
  },
);

/** Characters that have broken programs: escapes, controls, halves, wide ones, SQL, LIKE, JSON. */
const character = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit, minLength: 1, maxLength: 1 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(..."'\"\\%_;\n\r\t \u0001\u007f\u0085\u2028\ufeff\ufffd"),
  },
  { weight: 1, arbitrary: fc.constantFrom("😀", "e\u0301", "\u202e", "\u{10ffff}", "ß", "İ") },
);

const instant = fc.tuple(
  fc.date({
    min: new Date("0001-01-03T00:00:00Z"),
    max: new Date("9998-12-30T00:00:00Z"),
    noInvalidDate: true,
  }),
  fc.constantFrom("", ".1", ".000001", ".999999999"),
  fc.constantFrom("Z", "z", "+00:00", "-23:59", "+14:00", "+15:59", "+16:00", "+23:59"),
).map(([date, fraction, offset]) => date.toISOString().slice(0, 19) + fraction + offset);

const part = fc.string({ minLength: 1, maxLength: 20 });
const emails = fc.oneof(fc.emailAddress(), fc.tuple(part, part).map((parts) => parts.join("@")));

/** The least and the greatest integer of a schema. */
export function bounds(schema: Json): { min: number; max: number } {
  const { exclusiveMinimum = -Infinity, exclusiveMaximum = Infinity } = schema;
  const { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = schema;
  return {
    min: Math.max(minimum, exclusiveMinimum + 1),
    max: Math.min(maximum, exclusiveMaximum - 1),
  };
}

/**
 * Values that a JSON Schema of the document accepts, the ends of every range often among them.
 * `name` is what an error calls it.
 */
export function valid(schema: Json, document: Json, name: string): Values {
  if (schema.$ref) {
    const own = schema.$ref.split("/").pop();
    return valid(document.components.schemas[own], document, own);
  }
  if (Array.isArray(schema.type)) {
    const types = schema.type.map((type: string) =>
      type === "null" ? fc.constant(null) : valid({ ...schema, type }, document, name)
    );
    return fc.oneof(...types);
  }
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case "boolean":
      return fc.boolean();
    case "integer": {
      const { min, max } = bounds(schema);
      return fc.oneof(
        fc.integer({ min, max: Math.min(max, min + 50) }),
        fc.bigInt({ min: BigInt(min), max: BigInt(max) }).map(Number),
        fc.constantFrom(min, max),
      );
    }
    case "number": {
      const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
      return fc.double({
        min: minimum ?? exclusiveMinimum ?? -1e300,
        max: maximum ?? exclusiveMaximum ?? 1e300,
        minExcluded: minimum === undefined && exclusiveMinimum !== undefined,
        maxExcluded: maximum === undefined && exclusiveMaximum !== undefined,
        noNaN: true,
      });
    }
    case "string":
      return string(schema, name);
    case "array": {
      const { minItems = 0, maxItems = 3 } = schema;
      const item = valid(schema.items, document, `${name}.items`);
      return fc.array(item, { minLength: minItems, maxLength: Math.min(maxItems, 3) });
    }
    case "object": {
      const properties = Object.entries(schema.properties)
        .map(([key, property]) => [key, valid(property, document, `${name}.${key}`)]);
      return fc.record(Object.fromEntries(properties), { requiredKeys: schema.required ?? [] });
    }
    default:
      throw new Error(
        `give tests/fuzz/values.ts a generator for ${JSON.stringify(schema)} of ${name}`,
      );
  }
}

function string(schema: Json, name: string): Values {
  const { minLength = 0, maxLength = 300, pattern = "", format } = schema;
  if (format === "date-time") return instant;
  if (format === "date") return instant.map((text: string) => text.slice(0, 10));
  const good = new RegExp(pattern, "u");
  const fits = (text: string) => {
    const { length } = [...text];
    return length >= minLength && length <= maxLength && good.test(text);
  };
  if (pattern.includes("@") && share(emails, fits) > 0.5) return emails.filter(fits);
  const edges = ["😀".repeat(maxLength), "x".repeat(maxLength)];
  const any = fc.oneof(
    {
      weight: 9,
      arbitrary: fc.array(character, { minLength, maxLength: Math.min(maxLength, 30) }),
    },
    { weight: 1, arbitrary: fc.constantFrom(...edges.map((edge) => [...edge])) },
  ).map((all) => [...all.join("")].slice(0, maxLength).join(""));
  if (share(any, fits) > 0.5) return any.filter(fits);
  // A filter that lets little through draws for ever, and whoever waits beside it is blamed.
  const like = matching(good);
  if (like && share(like, fits) > 0.05) {
    const ends = edges.filter(fits);
    const texts = { weight: 9, arbitrary: like.filter(fits) };
    return ends.length ? fc.oneof(texts, fc.constantFrom(...ends)) : texts.arbitrary;
  }
  if (share(any, fits) > 0.05) return any.filter(fits);
  throw new Error(`give tests/fuzz/values.ts a generator for the pattern ${pattern} of ${name}`);
}

/** Texts made from a pattern; nothing where it holds what fast-check cannot, such as (?=a). */
function matching(pattern: RegExp): fc.Arbitrary<string> | undefined {
  try {
    return fc.stringMatching(pattern);
  } catch {
    return undefined;
  }
}

/** How many of the texts fit, from 0 to 1; always the same answer. */
function share(texts: fc.Arbitrary<string>, fits: (text: string) => boolean): number {
  const some = fc.sample(texts, { seed: 1, numRuns: 200 });
  return some.filter(fits).length / some.length;
}

/** Anything that JSON can say, and some things that only JavaScript can. */
export const anything: Values = fc.oneof(
  fc.constantFrom(
    null,
    "",
    0,
    -1,
    1.5,
    1e308,
    9007199254740992,
    "1",
    true,
    [],
    {},
    "\u0000",
    "\ud800",
    "a\udfffb",
    "x".repeat(10_001),
    "2030-02-30T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "9999-06-01T00:00:00Z",
    "2030-01-01",
    "infinity",
    "NaN",
    "__proto__",
  ),
  fc.jsonValue(),
  fc.string({ unit }),
);

/** A body near one that is accepted: a field broken, added, doubled or missing. */
export function nearly(good: Values): Values {
  return fc.tuple(
    good,
    fc.array(
      fc.tuple(
        fc.oneof(
          fc.nat({ max: 9 }),
          fc.constantFrom("id", "owner_id", "version", "created_at", "updated_at", "scope"),
          fc.string(),
        ),
        fc.oneof(anything, fc.constant(undefined)),
      ),
      { minLength: 1, maxLength: 2 },
    ),
  ).map(([value, changes]) => {
    const copy: Record<string, unknown> = { ...value };
    const names = Object.keys(copy);
    for (const [which, replacement] of changes) {
      const name = typeof which === "number" ? names[which % Math.max(1, names.length)] : which;
      if (name === undefined) continue;
      Object.defineProperty(copy, name, {
        value: replacement,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return copy;
  });
}

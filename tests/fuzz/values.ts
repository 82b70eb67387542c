import fc from "fast-check";
import type { Json } from "../api.ts";

type Values = fc.Arbitrary<Json>;

/** Characters that have broken programs: escapes, controls, halves, wide ones, SQL, LIKE, JSON. */
const character = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 1 }) },
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

/** Values that a JSON Schema of the document accepts, the ends of every range often among them. */
export function valid(schema: Json, document: Json): Values {
  if (schema.$ref) {
    return valid(document.components.schemas[schema.$ref.split("/").pop()], document);
  }
  if (Array.isArray(schema.type)) {
    const types = schema.type.map((type: string) =>
      type === "null" ? fc.constant(null) : valid({ ...schema, type }, document)
    );
    return fc.oneof(...types);
  }
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case "boolean":
      return fc.boolean();
    case "integer": {
      const { minimum: min, maximum: max } = schema;
      return fc.oneof(
        fc.integer({ min, max: Math.min(max, 50) }),
        fc.maxSafeInteger().filter(
          (n) => n >= min && n <= max,
        ),
        fc.constantFrom(min, max),
      );
    }
    case "string":
      return string(schema);
    case "object": {
      const properties = Object.entries(schema.properties)
        .map(([name, property]) => [name, valid(property, document)]);
      return fc.record(Object.fromEntries(properties), { requiredKeys: schema.required ?? [] });
    }
    default:
      throw new Error(`no values for ${JSON.stringify(schema)}`);
  }
}

function string(schema: Json): Values {
  const { minLength = 0, maxLength = 300, pattern, format } = schema;
  if (format === "date-time") return instant;
  if (format === "date") return instant.map((text: string) => text.slice(0, 10));
  const good = new RegExp(pattern ?? "", "u");
  if (pattern?.includes("@")) {
    return fc.oneof(
      fc.emailAddress().filter((text) => text.length <= 120),
      fc.tuple(fc.string({ maxLength: 20 }), fc.string({ maxLength: 20 })).map(([a, b]) =>
        `${a}@${b}`
      ).filter((text) => good.test(text)),
    );
  }
  const edge = "x".repeat(maxLength);
  return fc.oneof(
    {
      weight: 9,
      arbitrary: fc.array(character, { minLength, maxLength: Math.min(maxLength, 30) }),
    },
    { weight: 1, arbitrary: fc.constantFrom([..."😀".repeat(maxLength)], [...edge]) },
  ).map((all) => [...all.join("")].slice(0, maxLength).join("")).filter((text) => good.test(text));
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
  fc.string({ unit: "binary" }),
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

import fc from "fast-check";
import type { Json } from "../support/api.ts";
import { anything, nearly, valid } from "./values.ts";

export interface Operation {
  method: string;
  path: string;
  /** As the document has it. */
  spec: Json;
}

/** What is to be sent; ids are decided when it is, from what is there then. */
export interface Generated {
  key: "admin" | "read" | "none" | "forged";
  /** `n` of the rows that are there, or this text. */
  id: { n: number } | { text: string };
  query: [name: string, value: string][];
  /** Appended as it is. */
  rawQuery: string;
  headers: Record<string, string>;
  type: string | undefined;
  body: string | Uint8Array<ArrayBuffer> | undefined;
}

export function operationsOf(document: Json): Operation[] {
  return Object.entries<Json>(document.paths).flatMap(([path, item]) =>
    Object.entries<Json>(item).map(([method, spec]) => ({
      method: method.toUpperCase(),
      path,
      spec,
    }))
  );
}

const badIds = [
  "0",
  "-1",
  "1.5",
  "1e3",
  "0x1",
  "01",
  "+1",
  "abc",
  "%20",
  "%00",
  "%ff",
  "1%2f2",
  "9007199254740992",
  "99999999999999999999",
  "null",
  "1'--",
];

/** Every operation refuses each of them. */
const rawQueries = ["unknown=1", "limit=1&limit=1", "q=%ff", "q=%00", "sort=%", "%5B%5D=1"];

const badHeaders: Record<string, string[]> = {
  "idempotency-key": ["two words", "x".repeat(256), "ümlaut"],
  "if-match": ["1", '"', '"1', "x, y"],
  "if-none-match": ["1", '"', '"1', "x, y"],
  "slate-written": ["x", "-1", "1.5", "12345678901234567890", "1, 2"],
};

const goodHeaders: Record<string, string[]> = {
  "idempotency-key": ["a", "b", "9b2f6f0c-7f7d-4a55-8f0f-1c1d1f0a3f55", "!~".repeat(100)],
  "if-match": ["*", '"1"', '"2"', 'W/"1"', '"1", "2"', '"x"', '""', '"99999999999999999999"'],
  "if-none-match": ["*", '"1"', '"2"', 'W/"1"', '"1", "2"', '"x"'],
  "slate-written": ["0", "1", "745", "9999999999999999999"],
};

/** Requests of an operation, most of them good in most of their parts. */
export function requests({ spec }: Operation, document: Json): fc.Arbitrary<Generated> {
  const parameters: Json[] = spec.parameters ?? [];
  const inQuery = parameters.filter((parameter) => parameter.in === "query");
  const query = fc.tuple(...inQuery.map(({ name, schema, required }) =>
    fc.oneof(
      { weight: name === "cursor" ? 99 : required ? 1 : 15, arbitrary: fc.constant([]) },
      {
        weight: name === "cursor" ? 1 : 8,
        arbitrary: valid(schema, document, `${spec.operationId}.${name}`).map((
          v: Json,
        ) => [[name, String(v)]]),
      },
      {
        weight: 1,
        arbitrary: anything.map((v) => [[name, typeof v === "string" ? v : JSON.stringify(v)]]),
      },
    )
  )).map((parts) =>
    // An address can say no half of a surrogate pair.
    (parts.flat() as [string, string][]).map(([name, v]) =>
      [name, v.toWellFormed()] as [string, string]
    )
  );
  const headers = fc.tuple(
    ...parameters.filter((parameter) => parameter.in === "header").map(({ name }) =>
      fc.oneof(
        { weight: 5, arbitrary: fc.constant([]) },
        { weight: 4, arbitrary: fc.constantFrom(...goodHeaders[name]!).map((v) => [[name, v]]) },
        { weight: 1, arbitrary: fc.constantFrom(...badHeaders[name]!).map((v) => [[name, v]]) },
      )
    ),
  ).map((parts) => Object.fromEntries(parts.flat() as [string, string][]));
  return fc.record({
    key: fc.oneof(
      { weight: 17, arbitrary: fc.constant("admin" as const) },
      { weight: 3, arbitrary: fc.constantFrom("read" as const, "none", "forged") },
    ),
    id: fc.oneof(
      { weight: 6, arbitrary: fc.record({ n: fc.nat() }) },
      { weight: 1, arbitrary: fc.maxSafeInteger().map((n) => ({ text: String(n) })) },
      { weight: 1, arbitrary: fc.constantFrom(...badIds).map((text) => ({ text })) },
    ),
    query,
    rawQuery: fc.oneof(
      { weight: 19, arbitrary: fc.constant("") },
      { weight: 1, arbitrary: fc.constantFrom(...rawQueries) },
    ),
    headers,
    ...bodies(spec, document),
  });
}

const encode = (text: string) => new TextEncoder().encode(text);

const malformed = fc.oneof(
  fc.constantFrom(
    "",
    "{",
    "{]",
    '{"a":1,}',
    "[".repeat(30_000),
    '{"a":'.repeat(9_000),
    "NaN",
    "{} {}",
    "\ufeff{}",
    "'a'",
    '"\\x"',
    '"\u0001"',
    "x".repeat(70_000),
  ).map((text) => encode(text) as Uint8Array<ArrayBuffer>),
  fc.constantFrom([0xff], [0x22, 0xc3, 0x28, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22])
    .map((bytes) => Uint8Array.from(bytes)),
  fc.uint8Array({ maxLength: 50 }).map((bytes) => Uint8Array.from(bytes)),
);

const badTypes = [
  undefined,
  "text/plain",
  "application/json; charset=latin1",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "application/json, text/plain",
  "application/json ; charset=utf-8",
];

function bodies({ operationId, requestBody }: Json, document: Json): {
  type: fc.Arbitrary<string | undefined>;
  body: fc.Arbitrary<Generated["body"]>;
} {
  if (!requestBody) return { type: fc.constant(undefined), body: fc.constant(undefined) };
  const types = Object.keys(requestBody.content);
  const good = valid(requestBody.content[types[0]!].schema, document, operationId);
  return {
    type: fc.oneof(
      { weight: 17, arbitrary: fc.constantFrom(...types) },
      { weight: 2, arbitrary: fc.constantFrom(...types.map((type) => `${type}; charset=UTF-8`)) },
      { weight: 1, arbitrary: fc.constantFrom(...badTypes) },
    ),
    body: fc.oneof(
      { weight: 10, arbitrary: good.map((value) => JSON.stringify(value)) },
      { weight: 6, arbitrary: nearly(good).map((value) => JSON.stringify(value)) },
      { weight: 2, arbitrary: anything.map((value) => JSON.stringify(value)) },
      { weight: 2, arbitrary: malformed },
    ),
  };
}

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import document from "../../openapi.json" with { type: "json" };
import { fuzz } from "../fuzz/run.ts";
import { valid } from "../fuzz/values.ts";

/** Always the same: a test fails on a change, not by chance. `deno task fuzz` tries other seeds. */
const seed = 20261126;

const runs = Number(Deno.env.get("FUZZ_RUNS") ?? 200);

Deno.test(`${runs} generated requests an operation get what the document promises, --seed=${seed} [18]`, async () => {
  await fuzz(document, { runs, seed });
});

const patterns = ["^-?\\d{1,3}$", "^[A-Z]{2}\\d{4}$", "^@[a-z]{3,15}$", "^\\+\\d[\\d ]+$", "^$"];

Deno.test("a pattern that random text rarely meets is met by texts that are made from it", () => {
  for (const pattern of patterns) {
    const texts = fc.sample(valid({ type: "string", pattern }, document, "rooms.code"), {
      seed,
      numRuns: 100,
    });
    assertEquals(texts.filter((text) => !new RegExp(pattern, "u").test(text)), [], pattern);
  }
});

Deno.test("a pattern that no generator meets is an error that says what to do", () => {
  const schema = { type: "string", pattern: "^(?=.*7)\\d{9}$" };
  assertThrows(
    () => valid(schema, document, "NewRoom.code"),
    Error,
    "give tests/fuzz/values.ts a generator for the pattern ^(?=.*7)\\d{9}$ of NewRoom.code",
  );
});

Deno.test("an integer keeps to its bounds, however narrow and far from zero they are", () => {
  const years = { type: "integer", minimum: 1900, exclusiveMaximum: 2100 };
  const found = fc.sample(valid(years, document, "rooms.year"), { seed, numRuns: 200 });
  assertEquals(found.filter((year) => year < 1900 || year >= 2100), []);
});

Deno.test("a number keeps to its bounds, those that it may reach and those that it may not", () => {
  const prices = { type: "number", exclusiveMinimum: 0, maximum: 0.5 };
  const found = fc.sample(valid(prices, document, "rooms.price"), { seed, numRuns: 200 });
  assertEquals(found.filter((price) => !(price > 0 && price <= 0.5)), []);
});

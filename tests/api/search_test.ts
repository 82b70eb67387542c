/** Words that are typed, and the rows that they find. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { sql } from "../../postgres/mod.ts";
import { unit } from "../fuzz/values.ts";
import { createApi } from "../support/api.ts";
import { fillTodos } from "../support/todos.ts";

/** Always the same: a test fails on a change, not by chance. */
const seed = 20261126;

Deno.test("search takes any input: nothing that is typed is an error [25]", async () => {
  await using api = await createApi();
  await fillTodos(api, 5);
  const typed = ["", " ", "'", '"', '"open', "-", "--", "or", "or or", "\\", ":*", "!", "&", "|"];
  typed.push(
    "-".repeat(33),
    '-"a b" -"',
    "(",
    "a:b",
    "<->",
    "%",
    "_",
    "a & | b",
    "😀",
    "\u0001",
    "-todo",
    '"todo 3"',
    "\ufffd",
  );
  for (const q of typed) {
    const { status } = await api.call(`GET /api/todos?q=${encodeURIComponent(q)}`);
    assertEquals([q, status], [q, 200]);
  }
  await fc.assert(
    fc.asyncProperty(fc.string({ unit, maxLength: 200 }), async (q) => {
      const { status } = await api.call(`GET /api/todos?q=${encodeURIComponent(q)}`);
      assertEquals(status, q.includes("\0") ? 400 : 200);
    }),
    { numRuns: 200, seed },
  );
  const found = async (q: string) =>
    (await api.call(`GET /api/todos?q=${encodeURIComponent(q)}`)).json.data.length;
  assertEquals([await found("TODO"), await found("3 or 4"), await found('"todo 3"')], [5, 2, 1]);
  assertEquals([await found("-3"), await found("-3 tod")], [4, 4]);
});

Deno.test("a search that only leaves words out finds all other rows of the caller, without a word as well [25]", async () => {
  await using api = await createApi();
  const other = await api.key("grace@example.com", "write");
  await api.call("POST /api/todos", { key: other, body: { description: "plants" } });
  const items = ["essay", "plants", "!?", "plants, essay"].map((description) => ({ description }));
  await api.call("POST /api/todos/batch", { body: { items } });
  const found = async (q: string) =>
    (await api.call(`GET /api/todos?q=${encodeURIComponent(q)}`)).json.data
      .map(({ description }: { description: string }) => description);
  assertEquals(await found("-essay"), ["plants", "!?"]);
  assertEquals(await found("-essay -plants"), ["!?"]);
  assertEquals(await found('-"essay plants" -x'), ["essay", "plants", "!?", "plants, essay"]);
  assertEquals(await found("-essay or essay -plants"), ["essay", "plants", "!?"]);
  // An entry of the index from before 20261127060000 has the owner beside its words.
  const [old] = await api.database.db.query(sql`
    select
      term @@ search_query(7, '-a') as left_out, term @@ search_query(7, 'b') as by_word,
      term @@ search_query(7, '-b') as mistaken, term @@ search_query(77, '-a') as of_another
    from (select $$'7' '7:b':1$$::tsvector as term) entry`);
  assertEquals(old, { left_out: true, by_word: true, mistaken: false, of_another: false });
});

Deno.test("a search reads at most 64 kB of words that are not in its index yet, whoever wrote them [44]", async () => {
  await using api = await createApi();
  const other = await api.key("grace@example.com", "write");
  const items = Array.from({ length: 100 }, (_, n) => ({ description: `Mark essay ${n} on art` }));
  for (let batch = 0; batch < 20; batch++) {
    await api.call("POST /api/todos/batch", { key: other, body: { items } });
  }
  const [{ pages }] = await api.database.db.query(sql`
    select gin_clean_pending_list('todos_search_terms_idx')::integer as pages`) as [
    { pages: number },
  ];
  assert(pages <= 8, `${pages} pages of 8 kB are read by each search`);
});

Deno.test("search finds words without regard to case, accents and Unicode form, the last by its beginning [52]", async () => {
  await using api = await createApi();
  const descriptions = [
    "Crème brûlée kochen",
    "Übung: die Straße",
    "\u0391\u03b8\u03ae\u03bd\u03b1",
  ];
  for (const description of descriptions) {
    await api.call("POST /api/todos", { body: { description } });
  }
  const found = async (q: string) =>
    (await api.call(`GET /api/todos?q=${encodeURIComponent(q)}`)).json.data
      .map(({ id }: { id: number }) => id);
  assertEquals(await found("creme brulee"), [1]);
  assertEquals(await found("crème".normalize("NFD")), [1]);
  assertEquals(await found("crème".normalize("NFC")), [1]);
  assertEquals(await found("CREME bru"), [1]);
  assertEquals(await found("crem brulee"), [], "only the last word is taken by its beginning");
  assertEquals(await found("ubung"), [2]);
  assertEquals(await found("\u0391\u03b8\u03b7"), [3]);
  assertEquals(await found('"die strasse"'), [2]);
  assertEquals(await found('"DIE STRAẞE"'), [2]);
  assertEquals(await found(""), [1, 2, 3], "an empty search is no filter");
  assertEquals(await found(" - "), [], "no word finds nothing");
});

Deno.test("search folds words: each spelling of a word finds every other one [52]", async () => {
  await using api = await createApi();
  const spellings = [
    ["straße", "STRASSE", "Stra\u1e9ee"],
    ["Łódź", "lodz", "ŁO\u0301DZ\u0301"],
    ["Sørensen", "SORENSEN", "sØrensen"],
    ["Ærø", "aero"],
    ["Þórður", "thordur"],
    ["Kırıkkale", "KIRIKKALE"],
    ["οδός", "οδοσ"],
    // Hebrew points and a maqaf, Arabic vowel signs, a tatweel, a hamza and a comma.
    [
      "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd",
      "\u05e9\u05dc\u05d5\u05dd",
      "\u05e9\u05dc\u05d5\u05dd\u05be",
    ],
    [
      "\u0643\u0650\u062a\u064e\u0627\u0628\u064c",
      "\u0643\u062a\u0627\u0628",
      "\u0643\u062a\u0640\u0627\u0628\u060c",
    ],
    ["\u0623\u062d\u0645\u062f", "\u0627\u062d\u0645\u062f"],
    ["❤\ufe0f", "❤"],
  ];
  const items = spellings.flatMap((words) => words.map((word) => ({ description: `${word} x` })));
  await api.call("POST /api/todos/batch", { body: { items } });
  for (const words of spellings) {
    for (const word of words) {
      // With another word after it, so that it is not taken by its beginning.
      const q = encodeURIComponent(`${word} x`);
      const { json } = await api.call(`GET /api/todos?limit=100&q=${q}`);
      const found = json.data.map(({ description }: { description: string }) => description);
      assertEquals(found, words.map((word) => `${word} x`), word);
    }
  }
  // An Indic vowel sign is a part of its word: "boy" and "girl" are not one.
  const body = { description: "\u0932\u0921\u0915\u093e x" };
  await api.call("POST /api/todos", { body });
  const q = encodeURIComponent("\u0932\u0921\u0915\u0940 x");
  assertEquals((await api.call(`GET /api/todos?q=${q}`)).json.data, []);
});

Deno.test("search leaves out characters that nobody sees, in what is stored and in what is asked [52]", async () => {
  await using api = await createApi();
  const invisible = [
    "\u00ad", // a soft hyphen
    ..."\u200c\u200d", // joiners, without which no Persian text is written
    ..."\u2060\u2061\u2062\u2063\u2064\ufeff", // word joiners and what a formula does not show
    ..."\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", // directions
    ..."\u180b\u180c\u180d\u180e\u180f", // Mongolian variants
    "\u{e0100}", // a variant of a Chinese or Japanese character
  ];
  const words = ["zerowidth", ...invisible.map((character) => `zero${character}width`)];
  // A zero width space is there to part words.
  const stored = [...words, "zero\u200bwidth"];
  const kinds = [
    { path: "/api/todos", items: stored.map((word) => ({ description: `${word} x` })) },
    {
      path: "/api/students",
      items: stored.map((first_name) => ({ first_name, last_name: "x" })),
    },
  ];
  for (const { path, items } of kinds) {
    await api.call(`POST ${path}/batch`, { body: { items } });
    const found = async (q: string) =>
      (await api.call(`GET ${path}?limit=100&q=${encodeURIComponent(q)}`)).json.data
        .map(({ id }: { id: number }) => id);
    const ids = words.map((_, n) => n + 1);
    for (const word of words) {
      // With another word after it, so that it is not taken by its beginning.
      assertEquals(await found(`${word} x`), ids, `${path} ${encodeURIComponent(word)}`);
    }
    assertEquals(await found("zero\u200bwidth x"), [stored.length]);
  }
});

Deno.test("search in students finds names by their beginning, in any order [52]", async () => {
  await using api = await createApi();
  for (const [first_name, last_name] of [["Zoë", "Ångström"], ["Ada", "Lovelace"]]) {
    await api.call("POST /api/students", { body: { first_name, last_name } });
  }
  const found = async (q: string) =>
    (await api.call(`GET /api/students?sort=last_name&q=${encodeURIComponent(q)}`)).json.data
      .map(({ id }: { id: number }) => id);
  assertEquals([await found("angstrom zo"), await found("love")], [[1], [2]]);
  assertEquals((await found("")).length, 2);
});

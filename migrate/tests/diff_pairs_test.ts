import { assert, assertEquals } from "@std/assert";
import { DatabaseError, sql } from "../../postgres/mod.ts";
import { draft, withSession } from "../draft/draft.ts";
import { readCatalog } from "../catalog/catalog.ts";
import { proveDraft } from "../draft/proof.ts";
import { renameSteps } from "../draft/renames.ts";
import { openScratch } from "../scratch.ts";
import { connectPatiently, testServer } from "../../tests/support/database.ts";
import { apart, grouped, judged } from "./together.ts";

interface Pair {
  name: string;
  before: string;
  after: string;
  /** Of its comments: only (from which version on), rename, hint, hint back, loses, stops. */
  notes: Map<string, string[]>;
}

interface Verdict {
  pairs: Pair[];
  up: string[];
  down: string[];
  loses: string[];
  emptied: boolean;
}

async function readPairs(): Promise<Pair[]> {
  const folder = new URL("./fixtures/pairs/", import.meta.url);
  const pairs: Pair[] = [];
  for (
    const file of [
      "columns.sql",
      "constraints.sql",
      "programs.sql",
      "objects.sql",
      "partitions.sql",
    ]
  ) {
    const text = await Deno.readTextFile(new URL(file, folder));
    for (const part of text.split(/^-- pair: /m).slice(1)) {
      const [head = "", after = ""] = part.split("-- after\n");
      const [name = "", ...lines] = head.split("\n");
      const notes = new Map<string, string[]>();
      for (const line of lines) {
        const [, key, value] = /^-- ([a-z ]+): (.*)$/.exec(line) ?? [];
        if (key) notes.set(key, [...notes.get(key) ?? [], value!]);
      }
      pairs.push({ name, before: lines.join("\n"), after, notes });
    }
  }
  return pairs;
}

/** The major version of the server that the tests have. */
async function testVersion(): Promise<number> {
  const db = connectPatiently(testServer(), { size: 1 });
  const [row] = await db.query<{ version: string }>(
    sql`select current_setting('server_version_num') as version`,
  );
  await db.close();
  return Math.floor(Number(row!.version) / 10000);
}

const wholeOf = ({ before, after }: Pair) => `${before}\n${after}`;

/** What is beside one that rows stop would be tried without any. */
const isAlone = ({ notes }: Pair) => notes.has("stops");

async function judge(pairs: Pair[]): Promise<Verdict> {
  const texts = apart(pairs.map(wholeOf));
  const scripts = (["before", "after"] as const).map((side) =>
    pairs.map((pair, i) => texts[i]!.own(pair[side])).join("\n")
  );
  const notes = (key: string) =>
    pairs.flatMap((pair, i) => (pair.notes.get(key) ?? []).map((note) => texts[i]!.own(note)));
  await using scratch = await openScratch({ scripts });
  const state = async (script: string) => {
    const settings = await scratch.create();
    const catalog = await withSession(settings, async (db) => {
      await db.script(script);
      return await readCatalog(db);
    });
    return { settings, catalog };
  };
  const [before, after] = [await state(scripts[0]!), await state(scripts[1]!)];
  const steps = notes("rename").map((rename) => renameSteps(rename, before.catalog.definitions));
  const hints = (key: string) => notes(key).flatMap((note) => note.split("; "));
  const known = {
    up: [...steps.flatMap(({ up }) => up), ...hints("hint")],
    down: [...hints("hint back"), ...steps.toReversed().flatMap(({ down }) => down)],
  };
  try {
    const parts = await draft(scratch, before, after, known);
    const { up, down, upLoses, emptied } = await proveDraft(before, after, parts);
    const expected = notes("loses").flatMap((note) => note.split(", "));
    const loses = upLoses.toSorted().join() === expected.toSorted().join()
      ? []
      : [`loses ${upLoses.join(", ") || "nothing"} instead of ${expected.join(", ") || "nothing"}`];
    return { pairs, up, down, loses, emptied };
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    return { pairs, up: [error.message], down: [error.message], loses: [], emptied: false };
  }
}

Deno.test("diff: drafts what 127 pairs of schemas need, up and down, and loses nothing unsaid", async () => {
  const wanted = Deno.env.get("PAIR");
  const all = (await readPairs()).filter(({ name }) => !wanted || name.includes(wanted));
  assert(wanted || all.length === 127);
  const version = await testVersion();
  const pairs = all.filter(({ notes }) => Number(notes.get("only")?.[0] ?? 0) <= version);
  const groups = [
    ...grouped(pairs.filter((pair) => !isAlone(pair)), 12, wholeOf),
    ...pairs.filter(isAlone).map((pair) => [pair]),
  ];
  const faults = ({ up, down, loses }: Verdict) => [
    ...up.map((fault) => `up: ${fault}`),
    ...down.map((fault) => `down: ${fault}`),
    ...loses,
  ];
  const verdicts = await judged(groups, judge, (v) => faults(v).length === 0 && !v.emptied);
  const wrong = verdicts.flatMap((verdict) => {
    const name = verdict.pairs.map(({ name }) => name).join(", ");
    return faults(verdict).map((fault) => `${name}: ${fault}`);
  });
  assertEquals(wrong, []);
  const [stopped, said] = [
    verdicts.filter(({ pairs, emptied }) => emptied && pairs.length === 1).flatMap((v) => v.pairs),
    pairs.filter(isAlone),
  ];
  assertEquals(stopped.map(({ name }) => name).sort(), said.map(({ name }) => name).sort());
});

import { assert, assertEquals } from "@std/assert";
import { DatabaseError } from "../../postgres/mod.ts";
import { draft, withSession } from "../draft/draft.ts";
import { readCatalog } from "../catalog/catalog.ts";
import { proveDraft } from "../draft/proof.ts";
import { renameSteps } from "../draft/renames.ts";
import { openScratch } from "../scratch.ts";

interface Pair {
  name: string;
  before: string;
  after: string;
  /** Of its comments: rename, hint, hint back, loses, refused. */
  notes: Map<string, string[]>;
}

interface Verdict {
  pair: Pair;
  up: string[];
  down: string[];
  loses: string;
}

async function readPairs(): Promise<Pair[]> {
  const folder = new URL("./fixtures/pairs/", import.meta.url);
  const pairs: Pair[] = [];
  for (const file of ["columns.sql", "constraints.sql", "programs.sql", "objects.sql"]) {
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

async function judge(pair: Pair): Promise<Verdict> {
  await using scratch = await openScratch({ scripts: [pair.before, pair.after] });
  const state = async (script: string) => {
    const settings = await scratch.create();
    const catalog = await withSession(settings, async (db) => {
      await db.script(script);
      return await readCatalog(db);
    });
    return { settings, catalog };
  };
  const [before, after] = [await state(pair.before), await state(pair.after)];
  const steps = (pair.notes.get("rename") ?? [])
    .map((rename) => renameSteps(rename, before.catalog.definitions));
  const hints = (key: string) => pair.notes.get(key)?.[0]?.split("; ") ?? [];
  const known = {
    up: [...steps.flatMap(({ up }) => up), ...hints("hint")],
    down: [...hints("hint back"), ...steps.toReversed().flatMap(({ down }) => down)],
  };
  try {
    const parts = await draft(scratch, before, after, known);
    const proof = await proveDraft(before, after, parts);
    return { pair, up: proof.up, down: proof.down, loses: proof.upLoses.join(", ") };
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    return { pair, up: [error.message], down: [error.message], loses: "" };
  }
}

Deno.test("diff: drafts what 102 pairs of schemas need, up and down, and loses nothing unsaid", async () => {
  const pairs = await readPairs();
  const wanted = Deno.env.get("PAIR");
  const queue = pairs.filter(({ name }) => !wanted || name.includes(wanted));
  const verdicts: Verdict[] = [];
  const work = async () => {
    for (let pair = queue.shift(); pair; pair = queue.shift()) verdicts.push(await judge(pair));
  };
  await Promise.all([work(), work(), work()]);
  for (const { pair, up, down } of verdicts) {
    for (const fault of [...up.map((f) => `up: ${f}`), ...down.map((f) => `down: ${f}`)]) {
      console.log(`${pair.name}: ${fault}`);
    }
  }
  const right = (part: "up" | "down") =>
    verdicts.filter((verdict) => verdict[part].length === 0).length;
  console.log(`${right("up")} of ${verdicts.length} right in up, ${right("down")} in down`);
  for (const { pair, up, loses } of verdicts) {
    const expected = (pair.notes.get("loses") ?? []).join("");
    const sorted = (list: string) => list.split(", ").sort();
    assertEquals(sorted(loses), sorted(expected), `${pair.name} loses`);
    assertEquals(up.length > 0, pair.notes.has("refused"), `${pair.name}: ${up.join("; ")}`);
  }
  assert(wanted || right("up") === pairs.length, "each right in up");
  assert(wanted || right("down") === pairs.length, "each right in down");
});

/** docs/contract.md and the titles of the tests name the same promises. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { root } from "../support/root.ts";

const contract = await Deno.readTextFile(join(root, "docs", "contract.md"));
const [promised, hazards] = contract.split("\n## Hazards of migrations\n") as [string, string];

const numbers = (text: string) => [...text.matchAll(/^(\d+)\. /gm)].map(([, n]) => n!);
const rules = numbers(promised);
const named = [...hazards.matchAll(/^- \*\*(H\d+)\*\* /gm)].map(([, name]) => name!);

/** The titles of all tests and of their steps, where they are written out. */
async function titles(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) found.push(...await titles(path));
    else if (name.endsWith(".ts")) {
      const title = /(?:\bDeno\.test|\.step)\(\s*(?:\{\s*name:\s*)?(["'`])(.+?)\1[,)]/g;
      const text = await Deno.readTextFile(path);
      found.push(...Array.from(text.matchAll(title), ([, , title]) => title!));
    }
  }
  return found;
}

const all = [
  ...await titles(join(root, "tests")),
  ...await titles(join(root, "migrate", "tests")),
];

/** The numbers at the end of the titles, as `[24][34]`. */
const proven = new Set(
  all.flatMap((title) => /(\[\d+\])+$/.exec(title)?.[0].match(/\d+/g) ?? []),
);
const caught = new Set(all.flatMap((title) => title.match(/\bH\d+\b/g) ?? []));

Deno.test("docs/contract.md: the rules and the hazards are numbered without a gap", () => {
  assert(all.length > 400, `only ${all.length} titles were found`);
  const numbered = rules.map(Number);
  assertEquals(numbered, numbered.map((_, i) => i + 1));
  assertEquals(named, named.map((_, i) => `H${i + 1}`));
});

Deno.test("docs/contract.md: each rule and each hazard is named by a test", () => {
  assertEquals([...rules, ...named].filter((n) => !proven.has(n) && !caught.has(n)), []);
});

Deno.test("docs/contract.md: each number in a test's title is there", () => {
  const known = new Set([...rules, ...named]);
  assertEquals([...proven, ...caught].filter((n) => !known.has(n)), []);
});

/** docs/architecture.md: the hour of reading is what it says. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { root } from "../support/root.ts";

/** Lines that somebody can read in an hour and keep. */
const anHour = 1500;

const text = await Deno.readTextFile(join(root, "docs", "architecture.md"));
const [, hour] = /\n## An hour of reading\n([^]*?)(?=\n## |$)/.exec(text)!;
const listed = Array.from(
  hour!.matchAll(/^\| \[[^\]]+\]\(\.\.\/([^)]+)\) *\| *(\d+) \|/gm),
  ([, path, lines]) => ({ path: path!, lines: Number(lines) }),
);

async function linesOf(path: string): Promise<number> {
  return (await Deno.readTextFile(join(root, path))).split("\n").length - 1;
}

Deno.test("docs/architecture.md: the hour's files have the lines that it says, give or take twenty", async () => {
  assert(listed.length > 10, `only ${listed.length} files are listed`);
  const wrong: string[] = [];
  for (const { path, lines } of listed) {
    const counted = await linesOf(path);
    if (Math.abs(counted - lines) > 20) wrong.push(`${path} has ${counted} lines, not ${lines}`);
  }
  assertEquals(wrong, []);
});

Deno.test("docs/architecture.md: the hour is at most 1,500 lines", async () => {
  const lines = await Promise.all(listed.map(({ path }) => linesOf(path)));
  const sum = lines.reduce((sum, lines) => sum + lines, 0);
  assert(sum <= anHour, `${sum} lines`);
});

/** docs/architecture.md: its rooms, arrows and hour of reading are those of the code. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { arrows } from "../support/arrows.ts";
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

Deno.test("docs/architecture.md: the rooms and arrows are those that the imports are held to", () => {
  const [, rooms] = /\n## Rooms\n([^]*?)\n## /.exec(text)!;
  const rows = rooms!.matchAll(/^\| `([\w.]+)` +\|[^|]+\|(.*)\|$/gm);
  const drawn = Array.from(
    rows,
    ([, room, to]) => [room!, Array.from(to!.matchAll(/`([\w.]+)`/g), ([, name]) => name!).sort()],
  );
  const held = Object.entries(arrows).map(([room, to]) => [room, to.toSorted()]);
  assertEquals(Object.fromEntries(drawn), Object.fromEntries(held));
});

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

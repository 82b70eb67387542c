/** Runs docs/tutorial.md, which ends with a project of one's own that passes its tests. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { root } from "../support/root.ts";
import { asPublished, type Block, blocksOf, Walkthrough } from "../support/walkthrough.ts";

const text = "docs/tutorial.md";

/** Those that a new resource can fail; all of them would double the time of this run. */
const tests = [
  ...[
    "api/courses",
    "api/enrolments",
    "db/tenancy",
    "db/statements",
    "api/security",
    "api/fuzz",
    "api/document",
    "api/document_lint",
  ],
  ...["api/docs", "api/client", "imports", "db/migrations", "db/roles", "api/protocol"],
  ...["api/resources", "api/round_trip"],
];

Deno.test({
  name: "docs/tutorial.md: every step works as it stands, and shows what it shows",
  ignore: !asPublished(),
  async fn() {
    await using walk = await Walkthrough.open();
    await walk.run(text, walk.insteadOfAll(tests));
  },
});

Deno.test("docs/tutorial.md: a resource costs what it says, and at most 80 lines by hand", async () => {
  const prose = await Deno.readTextFile(join(root, text));
  const stated = /^That was all: (\d+) files, (\d+) lines/m.exec(prose)!;
  const made = (await blocksOf(text)).filter(({ file }) => file !== undefined);
  // What comes after it is an operation of one's own, and the life of the resource.
  const cost = made.slice(0, made.findIndex(({ file }) => file === "db/courses.ts"));
  assertEquals(cost.length > 3 && stated.slice(1), [
    `${new Set(cost.map(({ file }) => file)).size}`,
    `${cost.reduce((sum, block) => sum + written(block), 0)}`,
  ]);
  assert(Number(stated[2]) <= 80);
});

/** Lines that a person writes; an empty one costs nothing. */
function written({ language, text }: Block): number {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.filter((line) => language !== "diff" || line.startsWith("+")).length;
}

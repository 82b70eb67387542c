/** Runs docs/tutorial.md, which ends with a project of one's own that passes its tests. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { root } from "../support/root.ts";
import {
  asPublished,
  type Block,
  blocksOf,
  named,
  newestMigration,
  Walkthrough,
} from "../support/walkthrough.ts";

const text = "docs/tutorial.md";

/** Those that a new resource can fail; `db check` tries the statements right after them. */
const tests = [
  ...["api/courses", "api/enrolments", "api/security", "api/fuzz", "api/document"],
  ...["api/document_lint", "api/resources", "api/round_trip"],
  ...["imports", "db/migrations", "db/tenancy"],
];

/** What is done instead of what takes minutes, most of it for files that are as they were. */
const instead = {
  // Of those before it, the gates tell.
  "deno task db check": `deno task db check --since ${newestMigration()}`,
  "deno task test": `deno task test ${named(tests)}`,
  "deno task test tests/api/course_students_test.ts tests/db": `deno task test ${
    named(["api/course_students", "db/statements", "db/tenancy", "db/plans"])
  }`,
  // Whoever uses a file that was changed is among these, or uses one of them.
  "deno task check": "deno fmt --check && deno lint && deno check --lock=tests/deno.lock main.ts " +
    `client/*.ts ${named(["api/courses", "api/enrolments", "db/statements"])}`,
};

Deno.test({
  name: "docs/tutorial.md: every step works as it stands, and shows what it shows",
  ignore: !asPublished(),
  async fn() {
    await using walk = await Walkthrough.open();
    await walk.run(text, walk.insteadOf(instead));
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

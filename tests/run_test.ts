import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { temporaryFolder } from "../embedded/watchdog.ts";
import { outcome } from "./support/command.ts";
import { root } from "./support/root.ts";

Deno.test("deno task test: with --junit-path=F its last line is the sum as well, and F the report", async () => {
  await using folder = await temporaryFolder("slate-run-");
  const report = join(folder.path, "report.xml");
  for (const args of [[`--junit-path=${report}`], ["--junit-path", report]]) {
    const { stdout, stderr, code } = outcome(
      await new Deno.Command(Deno.execPath(), {
        args: ["task", "test", ...args, "tests/deploy/release_test.ts"],
        cwd: root,
        env: { TEST_DATABASE_URL: "", NO_COLOR: "1" },
      }).output(),
    );
    assertEquals([code, stdout.trim().split("\n").at(-1)], [0, "2 passed, 0 failed"], stderr);
    assertStringIncludes(await Deno.readTextFile(report), 'tests="2"');
    await Deno.remove(report);
  }
});

import { join } from "node:path";
import { spawnWatched } from "../embedded/watchdog.ts";
import { type DatabaseSettings, databaseUrl } from "../postgres/settings.ts";
import { root } from "./root.ts";

/** What does not fit, by file. */
interface Finding {
  path: string;
  line: number;
  message: string;
  remedy: string;
}

const test = join("tests", "db", "statements_test.ts");

/**
 * Describes every statement in db/*.ts against a migrated database, by the test that knows how each
 * query is called. `template` must have no connection: the test copies it; `server` is any other
 * database beside it. Nothing where the test is not, as in the container.
 */
export async function checkQueries(
  server: DatabaseSettings,
  template: DatabaseSettings,
): Promise<Finding[]> {
  if (!await Deno.stat(join(root, test)).catch(() => undefined)) return [];
  const args = ["test", "--allow-all", "--no-check", "--quiet", "--lock=tests/deno.lock", test];
  const child = spawnWatched(Deno.execPath(), args, {
    cwd: root,
    stdout: "piped",
    stderr: "piped",
    env: {
      NO_COLOR: "1",
      TEST_SERVER: databaseUrl(server),
      TEST_TEMPLATE: template.database,
    },
  });
  const { success, stdout, stderr } = await child.output();
  if (success) return [];
  return findings(new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
}

/** What the test's report says: each fault of a file once, with all of its queries. */
function findings(report: string): Finding[] {
  const errors = [...report.matchAll(/^error: (?:\w*Error: )?([^]*?)(?=\n +at |\n\n)/gm)]
    // Deno shows the line that threw, and a caret below it.
    .map(([, error]) => error!.replace(/\n.*\n +\^\s*$/, "").trim())
    .filter((error) => error !== "Test failed");
  const faults = new Map<string, { finding: Finding; names: string[] }>();
  for (const error of new Set(errors)) {
    const [, path = test, name, message = error, remedy = "correct what it tells"] =
      /^(db\/[\w.]+): (?:(\w+): )?(.+); (.+)/.exec(error) ?? [];
    const finding = { path, line: 0, message, remedy };
    const known = faults.getOrInsert(JSON.stringify(finding), { finding, names: [] });
    if (name) known.names.push(name);
  }
  if (faults.size === 0) {
    return [{ path: test, line: 0, message: report.trim(), remedy: "correct what it tells" }];
  }
  return Array.from(faults.values(), ({ finding, names }) => ({
    ...finding,
    message: names.length > 0 ? `${names.join(", ")}: ${finding.message}` : finding.message,
  }));
}

import { join } from "node:path";
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
  const command = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", "--quiet", test],
    cwd: root,
    stdin: "null",
    env: {
      NO_COLOR: "1",
      TEST_SERVER: databaseUrl(server),
      TEST_TEMPLATE: template.database,
    },
  });
  const { success, stdout, stderr } = await command.output();
  if (success) return [];
  return findings(new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
}

const steps = "let the schema change in steps that old code survives";

/** What the test's report says: each fault of a file once, with all of its queries. */
function findings(report: string): Finding[] {
  const errors = [...report.matchAll(/^error: (?:\w*Error: )?([^]*?)(?=\n +at |\n\n)/gm)]
    // Deno shows the line that threw, and a caret below it.
    .map(([, error]) => error!.replace(/\n.*\n +\^\s*$/, "").trim())
    .filter((error) => error !== "Test failed");
  const queries = new Map<string, { path: string; message: string; names: Set<string> }>();
  const found: Finding[] = [];
  for (const error of new Set(errors)) {
    const [, path, name, message] = /^(db\/\w+\.ts): ([\w.]+): (.+)/.exec(error) ?? [];
    const [, file, fault, remedy] = /^(db\/\w+\.ts): (.+); (.+)/.exec(error) ?? [];
    if (path && name && message) {
      const known = queries.get(path + message) ?? { path, message, names: new Set() };
      queries.set(path + message, known);
      known.names.add(name);
    } else if (file && fault && remedy) {
      found.push({ path: file, line: 0, message: fault, remedy });
    } else {
      found.push({ path: test, line: 0, message: error, remedy: `adapt db/*.ts, or ${steps}` });
    }
  }
  for (const { path, message, names } of queries.values()) {
    const all = [...names].join(", ");
    found.push({ path, line: 0, message: `${all}: ${message}`, remedy: `correct it, or ${steps}` });
  }
  if (found.length > 0) return found;
  return [{ path: test, line: 0, message: report.trim(), remedy: "correct what it tells" }];
}

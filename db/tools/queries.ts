import { join } from "node:path";
import { type DatabaseSettings, databaseUrl } from "../settings.ts";
import { root } from "./dbmate.ts";
import type { Finding } from "./migration_files.ts";

const test = join("tests", "statements_test.ts");

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
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const errors = [...said.matchAll(/^error: ((?:\w*Error: )?[^]*?)(?=\n +at |\n\n)/gm)]
    .map(([, error]) => error!.trim()).filter((error) => error !== "Test failed");
  return [{
    path: test,
    line: 0,
    message: `a query no longer fits the schema:\n  ${errors.join("\n  ") || said.trim()}`,
    remedy: "adapt db/*.ts, or let the schema change in steps that old code survives",
  }];
}

/**
 * `deno task test:citus`: the API's tests and the ones of this folder, on the Citus cluster whose
 * coordinator TEST_CITUS_URL names, in a database other than `postgres`. It has its workers, and is no
 * cluster that anybody works on: the role may create databases and roles on every node. Further arguments go to `deno test`.
 */
import { root } from "../support/root.ts";

const url = Deno.env.get("TEST_CITUS_URL");
if (!url) {
  console.log("skipped: TEST_CITUS_URL names no coordinator of a Citus cluster");
  Deno.exit(0);
}
const { code } = await new Deno.Command(Deno.execPath(), {
  args: [
    "run",
    "--allow-all",
    "tests/run.ts",
    "tests/api",
    "tests/citus/routing.ts",
    "tests/citus/moves.ts",
    ...Deno.args,
  ],
  cwd: root,
  env: { TEST_DATABASE_URL: url },
}).spawn().status;
Deno.exit(code);

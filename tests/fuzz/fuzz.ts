/** `deno task fuzz`: the generated requests in earnest. --seed, --runs and --only=<operationId>. */
import { parseArgs } from "node:util";
import document from "../../openapi.json" with { type: "json" };
import { fuzz } from "./run.ts";

const { values } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { seed: { type: "string" }, runs: { type: "string" }, only: { type: "string" } },
});
const seed = Number(values.seed ?? crypto.getRandomValues(new Int32Array(1))[0]);
const runs = Number(values.runs ?? 10_000);

Deno.test(`${runs} generated requests an operation, --seed=${seed} [18]`, async () => {
  const total = await fuzz(document, {
    runs,
    seed,
    only: values.only,
    report: (line) => console.log(line),
  });
  console.log(`seed ${seed}, ${runs} an operation: ${JSON.stringify(total)}`);
});

import document from "../openapi.json" with { type: "json" };
import { fuzz } from "./fuzz/run.ts";

const seed = crypto.getRandomValues(new Int32Array(1))[0]!;

Deno.test(`200 generated requests an operation get what the document promises, --seed=${seed} [18]`, async () => {
  await fuzz(document, { runs: 200, seed });
});

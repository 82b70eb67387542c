import fc from "fast-check";
import type { Json } from "../support/api.ts";
import { Checker } from "./check.ts";
import { type Operation, operationsOf, requests } from "./requests.ts";

/** How many operations are tried at once, each on a database of its own. */
const together = 4;

/**
 * Tries every operation of the document with so many generated requests each. Throws the first
 * failure, shrunk, with the seed that repeats it; otherwise tells what was answered how often.
 */
export async function fuzz(
  document: Json,
  options: { runs: number; seed: number; only?: string; report?: (line: string) => void },
) {
  const { runs, seed, only, report = () => {} } = options;
  const queue = operationsOf(document).filter(({ spec }) => !only || spec.operationId === only);
  const total: Record<string, number> = {};
  async function work() {
    for (let operation; (operation = queue.shift());) {
      const statuses = await tryOperation(operation, document, runs, seed);
      report(`${operation.spec.operationId} ${JSON.stringify(statuses)}`);
      for (const [status, n] of Object.entries(statuses)) total[status] = (total[status] ?? 0) + n;
    }
  }
  await Promise.all(Array.from({ length: together }, work));
  return total;
}

async function tryOperation(operation: Operation, document: Json, numRuns: number, seed: number) {
  const { operationId } = operation.spec;
  try {
    await using checker = await Checker.open(operation, document);
    await fc.assert(
      fc.asyncProperty(requests(operation, document), (request) => checker.send(request)),
      { numRuns, seed, endOnFailure: false },
    );
    return checker.statuses;
  } catch (error) {
    // What was generated can be long; the seed makes it again.
    const told = [(error as Error).message, ((error as Error).cause as Error | undefined)?.message]
      .map((text) => text?.slice(0, 2000)).join("\n");
    throw new Error(`${operationId}, --seed=${seed}: ${told}`);
  }
}

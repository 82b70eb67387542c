/**
 * `deno task bench [speed|far|round-trips|start|batch|growth|memory ...]`: what Slate's speed is, beside its
 * peers; without a name the first four. `--smoke` only shows that it runs.
 */
import { temporaryFolder, whenTaskIsGone } from "../embedded/watchdog.ts";
import { createBench } from "./data.ts";
import { measureBatch } from "./batch.ts";
import { measureFar } from "./far.ts";
import { measureGrowth } from "./growth.ts";
import { measureRoundTrips } from "./round_trips.ts";
import { measureMemory } from "./memory.ts";
import { smoke } from "./report.ts";
import { measureSpeed } from "./speed.ts";
import { measureStart } from "./start.ts";
import { works } from "./works.ts";

const named = Deno.args.filter((name) => name !== "--smoke");
const wanted = named.length > 0
  ? named
  : smoke
  ? ["speed", "far"]
  : ["speed", "far", "round-trips", "start"];

// What the peers' installers leave goes with us, and so do we with our task.
await using temporary = await temporaryFolder("slate-bench-");
await Deno.chmod(temporary.path, 0o711);
Deno.env.set("TMPDIR", temporary.path);
whenTaskIsGone(() => Deno.exit(1));

await using bench = await createBench(10_000);
const measurements: Record<string, () => Promise<void>> = {
  speed: () =>
    measureSpeed(
      bench,
      smoke
        ? {
          rounds: 1,
          // On a machine that does much else, a peer may answer nothing for a second.
          seconds: 3,
          warmUp: 0,
          // The others are in its `far`.
          works: works.filter(({ name }) => name.startsWith("PATCH")),
        }
        : { rounds: 9, seconds: 1, warmUp: 2, works },
    ),
  far: () =>
    measureFar(
      bench,
      smoke
        ? {
          pools: [2],
          rounds: 1,
          seconds: 3,
          warmUp: 2,
          works: works.filter(({ name }) => /one|POST/.test(name)),
        }
        : { pools: [2, 10, 32], rounds: 3, seconds: 2, warmUp: 2, works },
    ),
  "round-trips": () => measureRoundTrips(bench, smoke ? 3 : 40),
  batch: () => measureBatch(bench, smoke ? 1 : 41),
  start: () => measureStart(bench, smoke ? 1 : 5),
  growth: () =>
    measureGrowth(bench, smoke ? [1000, 20_000] : [10_000, 10_000_000], smoke ? 5 : 200),
  memory: () => measureMemory(bench, smoke ? 0 : 10),
};
for (const name of wanted) {
  const measure = measurements[name];
  if (!measure) throw new Error(`${name} is not one of ${Object.keys(measurements).join(", ")}`);
  await measure();
}

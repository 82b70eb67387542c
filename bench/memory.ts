import { slate, start } from "./peers.ts";
import { type Bench, fill } from "./data.ts";
import { load } from "./load.ts";
import { machine, record, table } from "./report.ts";
import { works } from "./works.ts";
import { databaseUrl } from "../postgres/settings.ts";

/** The memory of one process under load, all kinds of work in turn. */
export async function measureMemory(bench: Bench, minutes: number) {
  await using running = await start(slate, databaseUrl(bench.settings));
  const rows: string[][] = [];
  for (let minute = 0; minute <= minutes; minute++) {
    rows.push([`${minute}`, (await resident(running.pid)).toFixed(0)]);
    console.log(rows.at(-1)!.join(" min, MB "));
    if (minute === minutes) break;
    for (const work of works) {
      await fill(bench.db, bench.data.todos);
      await load(running.origin, work, bench.data, 60 / works.length);
    }
  }
  await record(
    "Memory",
    `${machine()}. The resident memory of Slate's process under load, all kinds of work in turn.

${table([["after minutes", "MB"], ...rows])}`,
  );
}

async function resident(pid: number): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(text)![1]) / 1024;
}

import { install, peers, run, start } from "./peers.ts";
import type { Bench } from "./data.ts";
import { machine, median, record, table } from "./report.ts";
import { databaseUrl } from "../postgres/settings.ts";

/** From a process's start to its first answer, and how long a developer waits for the checks. */
export async function measureStart(bench: Bench, rounds: number) {
  const rows: string[][] = [];
  for (const peer of peers) {
    const found = await install(peer);
    if ("skipped" in found) {
      console.log(`${peer.name} is skipped: ${found.skipped}`);
      continue;
    }
    const starts: { listening: number; answering: number; own: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      await using running = await start(peer, databaseUrl(bench.settings));
      starts.push({ ...running.started, own: await ownTime(running.pid) });
    }
    const of = (pick: (start: typeof starts[number]) => number) =>
      median(starts.map(pick)).toFixed(0);
    rows.push([
      peer.name,
      of((start) => start.listening),
      of((start) => start.answering),
      of((start) => start.own),
    ]);
    console.log(rows.at(-1)!.join(" "));
  }
  const commands: string[][] = [];
  for (const task of ["test", "db check"]) {
    const began = performance.now();
    await run([Deno.execPath(), "task", ...task.split(" ")], `${import.meta.dirname}/..`);
    commands.push([`deno task ${task}`, ((performance.now() - began) / 1000).toFixed(1)]);
  }
  await record(
    "Start",
    `${machine()}. Milliseconds from the start of the process, medians of ${rounds}; the processor's
time is that of the first process alone, its threads included, until its first answer.

${table([["", "listening", "first answer", "processor's time"], ...rows])}

${table([["", "seconds"], ...commands])}`,
  );
}

/** Milliseconds that a process has been on a processor. */
async function ownTime(pid: number): Promise<number> {
  let nanoseconds = 0;
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const text = await Deno.readTextFile(`/proc/${pid}/task/${name}/schedstat`);
    nanoseconds += Number(text.split(" ")[0]);
  }
  return nanoseconds / 1e6;
}

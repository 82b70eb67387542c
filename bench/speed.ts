import { defaultPool, install, peers, run, start } from "./peers.ts";
import { type Bench, fill } from "./data.ts";
import { connections, generator, type Load, load } from "./load.ts";
import { machine, median, record, table } from "./report.ts";
import type { Work } from "./works.ts";
import { databaseUrl } from "../postgres/settings.ts";

export interface Options {
  rounds: number;
  /** Seconds of each measurement, and of the warm-up before the first. */
  seconds: number;
  warmUp: number;
  works: Work[];
}

/** Something that does the work. */
interface Runner {
  name: string;
  measure(work: Work, seconds: number): Promise<Load>;
}

const limit = "pgbench";

/** Slate and its peers in turn, on the same work, with the same data before each measurement. */
export async function measureSpeed(bench: Bench, options: Options) {
  const url = databaseUrl(bench.settings);
  const versions: string[] = [];
  const runners: Runner[] = [];
  await using stack = new AsyncDisposableStack();
  const installed = await Promise.all(peers.map(install));
  for (const [i, peer] of peers.entries()) {
    const found = installed[i]!;
    if ("skipped" in found) {
      console.log(`${peer.name} is skipped: ${found.skipped}`);
      continue;
    }
    versions.push(`${peer.name} on ${found.version}`);
    const running = stack.use(await start(peer, url));
    runners.push({
      name: peer.name,
      measure: (work, seconds) => load(running.origin, work, bench.data, seconds),
    });
  }
  const pgbench = await run(["pgbench", "--version"]).catch((error) => {
    console.log(`pgbench is skipped: ${error.message}`);
  });
  if (pgbench) {
    versions.push(pgbench);
    runners.push({ name: limit, measure: (work, seconds) => bare(bench, work, seconds) });
  }

  const results = new Map<string, Load[]>();
  for (let round = options.warmUp > 0 ? 0 : 1; round <= options.rounds; round++) {
    for (const work of options.works) {
      for (const { name, measure } of runners) {
        await fill(bench.db, bench.data.todos);
        const result = await measure(work, round === 0 ? options.warmUp : options.seconds);
        if (round === 0) continue;
        results.getOrInsertComputed(`${work.name} ${name}`, () => []).push(result);
        console.log(`round ${round}, ${work.name}, ${name}: ${Math.round(result.rate)}/s`);
      }
    }
  }
  const all = (work: Work, name: string, pick: (load: Load) => number) =>
    results.get(`${work.name} ${name}`)!.map(pick);
  const of = (work: Work, name: string, pick: (load: Load) => number) =>
    median(all(work, name, pick));
  /** Of each round for itself: what else happens on the machine meets both, and passes. */
  const ratio = (work: Work, name: string) => {
    const peers = all(work, name, rateOf);
    return median(all(work, names[0]!, rateOf).map((rate, round) => rate / peers[round]!));
  };
  const names = runners.map(({ name }) => name);
  const rows = (cell: (work: Work, name: string) => string) =>
    options.works.map((work) => [work.name, ...names.map((name) => cell(work, name))]);
  const { rounds, seconds, warmUp } = options;
  await record(
    "Speed",
    `${machine()}. ${bench.server}; ${generator}, ${connections} connections; ${defaultPool} connections to
the database each; ${bench.data.todos} todos. ${rounds} rounds of ${seconds} s after ${warmUp} s of
warm-up, interleaved; medians. ${versions.join("; ")}.

Slate's requests a second divided by each peer's of the same round: above 1, Slate is faster.

${
      table([
        ["", ...names.slice(1)],
        ...options.works.map((work) => [
          work.name,
          ...names.slice(1).map((name) => ratio(work, name).toFixed(2)),
        ]),
      ])
    }

Requests a second:

${table([["", ...names], ...rows((work, name) => of(work, name, rateOf).toFixed(0))])}

Milliseconds, p50 and p99:

${
      table([
        ["", ...names.filter((name) => name !== limit)],
        ...rows((work, name) =>
          `${of(work, name, (l) => l.p50).toFixed(1)}, ${of(work, name, (l) => l.p99).toFixed(1)}`
        ).map((row) => row.slice(0, names.includes(limit) ? -1 : undefined)),
      ])
    }`,
  );
}

const rateOf = (load: Load) => load.rate;

/** The bare statement by pgbench, prepared, on as many connections as a peer has. */
async function bare({ settings, data }: Bench, work: Work, seconds: number): Promise<Load> {
  const script = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(script, `\\set id random(1, ${data.todos})\n${work.bare}\n`);
    const args = [
      ...[
        "--no-vacuum",
        "--protocol",
        "prepared",
        "--client",
        `${defaultPool}`,
        "--time",
        `${seconds}`,
      ],
      ...["--define", `owner=${data.owner}`, "--file", script],
    ];
    const { host, port, user, password, database } = settings;
    const { success, stdout, stderr } = await new Deno.Command("pgbench", {
      args,
      env: {
        PGHOST: host,
        PGPORT: `${port}`,
        PGUSER: user,
        PGPASSWORD: password ?? "",
        PGDATABASE: database,
      },
    }).output();
    const text = new TextDecoder().decode(stdout);
    if (!success) throw new Error(`pgbench: ${new TextDecoder().decode(stderr)}`);
    return { rate: Number(/tps = ([\d.]+)/.exec(text)![1]), p50: NaN, p99: NaN };
  } finally {
    await Deno.remove(script);
  }
}

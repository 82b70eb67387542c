import { install, type Peer, peers, start } from "./peers.ts";
import { type Bench, fill } from "./data.ts";
import { connections, generator, load } from "./load.ts";
import { createProxy, oneWayMs } from "../tests/support/distance.ts";
import { machine, median, record, table } from "./report.ts";
import type { Work } from "./works.ts";
import { databaseUrl } from "../postgres/settings.ts";

export interface FarOptions {
  /** Connections to the database of each peer, one measurement each. */
  pools: number[];
  rounds: number;
  /** Seconds of each measurement, and of the warm-up before the first. */
  seconds: number;
  warmUp: number;
  works: Work[];
}

/** Requests a second of each peer's rounds, by pool and work. */
type Rates = Map<string, number[]>;

/** What many callers get done at once where the database is far away and connections are few. */
export async function measureFar(bench: Bench, options: FarOptions) {
  const found: Peer[] = [];
  const versions: string[] = [];
  for (const peer of peers) {
    const installed = await install(peer);
    if ("skipped" in installed) {
      versions.push(`${peer.name} is missing: ${installed.skipped}`);
    } else {
      found.push(peer);
      versions.push(`${peer.name} on ${installed.version}`);
    }
  }
  const rates: Rates = new Map();
  for (const pool of options.pools) await measurePool(bench, options, pool, found, rates);

  const { works } = options;
  const names = found.map(({ name }) => name);
  const of = (name: string, pool: number, work: Work) =>
    rates.get(`${name}, ${pool}, ${work.name}`)!;
  const tables = options.pools.map((pool) =>
    `Requests a second with ${pool} connections:

${
      table([
        ["", ...names],
        ...works.map((work) => [
          work.name,
          ...names.map((name) => median(of(name, pool, work)).toFixed(0)),
        ]),
      ])
    }

Slate's divided by each peer's of the same round:

${
      table([
        ["", ...names.slice(1)],
        ...works.map((work) => [
          work.name,
          ...names.slice(1).map((name) => {
            const peer = of(name, pool, work);
            return median(of(names[0]!, pool, work).map((rate, i) => rate / peer[i]!)).toFixed(2);
          }),
        ]),
      ])
    }`
  );
  const best = (name: string, work: Work) =>
    Math.max(...options.pools.map((pool) => median(of(name, pool, work))));
  const { rounds, seconds, warmUp } = options;
  await record(
    "Far",
    `${machine()}. ${bench.server}, behind a proxy that takes ${oneWayMs} ms in each direction;
${generator}, ${connections} connections; ${bench.data.todos} todos. ${rounds} rounds of ${seconds} s
after ${warmUp} s of warm-up, interleaved; medians. ${versions.join("; ")}.

${tables.join("\n\n")}

Slate's with each pool divided by each peer's at its best, whatever its pool:

${
      table([
        ["", ...names.slice(1).flatMap((name) => options.pools.map((pool) => `${name} ${pool}`))],
        ...works.map((work) => [
          work.name,
          ...names.slice(1).flatMap((name) =>
            options.pools.map((pool) =>
              (median(of(names[0]!, pool, work)) / best(name, work)).toFixed(2)
            )
          ),
        ]),
      ])
    }`,
  );
}

async function measurePool(
  bench: Bench,
  options: FarOptions,
  pool: number,
  found: Peer[],
  rates: Rates,
) {
  await using stack = new AsyncDisposableStack();
  const proxy = stack.use(createProxy(bench.settings, oneWayMs));
  const url = databaseUrl({ ...bench.settings, host: "127.0.0.1", port: proxy.port });
  const running = [];
  for (const peer of found) {
    const { origin } = stack.use(await start(peer, url, pool));
    running.push({ name: peer.name, origin });
  }
  for (let round = options.warmUp > 0 ? 0 : 1; round <= options.rounds; round++) {
    for (const work of options.works) {
      for (const { name, origin } of running) {
        await fill(bench.db, bench.data.todos);
        if (round === 0) {
          // A peer that opens its connections only now may answer nothing for so long.
          await load(origin, work, bench.data, options.warmUp).catch(() => {});
          continue;
        }
        const { rate } = await load(origin, work, bench.data, options.seconds);
        rates.getOrInsertComputed(`${name}, ${pool}, ${work.name}`, () => []).push(rate);
        console.log(
          `pool of ${pool}, round ${round}, ${work.name}, ${name}: ${Math.round(rate)}/s`,
        );
      }
    }
  }
}

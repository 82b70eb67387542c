import { install, peers, start } from "./peers.ts";
import { type Bench, type Data, fill } from "./data.ts";
import { createProxy, oneWayMs } from "../tests/support/distance.ts";
import { machine, median, record, table } from "./report.ts";
import { type Work, works } from "./works.ts";
import { connect, sql } from "../postgres/mod.ts";
import { databaseUrl } from "../postgres/settings.ts";

/** How many round trips to a database that is far away each request waits for. */
export async function measureRoundTrips(bench: Bench, requests: number) {
  await using proxy = createProxy(bench.settings, oneWayMs);
  const far = { ...bench.settings, host: "127.0.0.1", port: proxy.port };
  const one = await roundTrip(far, requests);
  const columns: { name: string; times: number[] }[] = [];
  for (const peer of peers) {
    const found = await install(peer);
    if ("skipped" in found) {
      console.log(`${peer.name} is skipped: ${found.skipped}`);
      continue;
    }
    await using running = await start(peer, databaseUrl(far));
    const times: number[] = [];
    for (const work of works) {
      await fill(bench.db, bench.data.todos);
      times.push(await medianTime(running.origin, work, bench.data, requests));
    }
    columns.push({ name: peer.name, times });
    console.log(peer.name, times.map((time) => time.toFixed(1)).join(" "));
  }
  await record(
    "Round trips",
    `${machine()}. ${bench.server}, behind a proxy that takes ${oneWayMs} ms in each direction; one request
at a time, medians of ${requests} on warm connections. One round trip, \`select 1\`, takes
${one.toFixed(1)} ms. What each request takes, in round trips:

${
      table([
        ["", ...columns.map(({ name }) => name)],
        ...works.map((work, i) => [
          work.name,
          ...columns.map(({ times }) => (times[i]! / one).toFixed(2)),
        ]),
      ])
    }`,
  );
}

/** Milliseconds of the shortest statement on a warm connection. */
async function roundTrip(settings: Bench["settings"], requests: number): Promise<number> {
  const db = connect(settings, { size: 1 });
  const times: number[] = [];
  for (let n = -3; n < requests; n++) {
    const began = performance.now();
    await db.query(sql`select 1`);
    if (n >= 0) times.push(performance.now() - began);
  }
  await db.close();
  return median(times);
}

/** Enough that each of a peer's processes has its connection and has prepared its statements. */
const warmUp = 40;

async function medianTime(
  origin: string,
  { method, path, body, ifMatch }: Work,
  { key }: Data,
  requests: number,
): Promise<number> {
  const times: number[] = [];
  for (let id = 1; id <= warmUp + requests; id++) {
    const fill = (text: string) => text.replace("{id}", `${id}`).replace("{version}", "1");
    const headers: Record<string, string> = { authorization: `Bearer ${key}` };
    if (body) headers["content-type"] = "application/json";
    if (ifMatch) headers["if-match"] = fill(ifMatch);
    const began = performance.now();
    const response = await fetch(origin + fill(path), {
      method,
      headers,
      body: body && fill(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    if (id > warmUp) times.push(performance.now() - began);
  }
  return median(times);
}

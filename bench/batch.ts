import { slate, start } from "./peers.ts";
import { type Bench, fill } from "./data.ts";
import { createProxy, oneWayMs } from "../tests/support/distance.ts";
import { machine, median, record, table } from "./report.ts";
import { databaseUrl } from "../postgres/settings.ts";

/** Rows of one batch, and requests that are compared with it. */
const rows = 100;

/** What 100 todos cost in one request, and in one request each, one after another. */
export async function measureBatch(bench: Bench, rounds: number) {
  await using proxy = createProxy(bench.settings, oneWayMs);
  const places = {
    "on the same machine": bench.settings,
    [`${oneWayMs} ms away`]: { ...bench.settings, host: "127.0.0.1", port: proxy.port },
  };
  const lines: string[][] = [];
  for (const [place, settings] of Object.entries(places)) {
    await using api = await start(slate, databaseUrl(settings));
    const post = async (path: string, body: unknown) => {
      const response = await fetch(`${api.origin}${path}`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${bench.data.key}`,
          "content-type": "application/json",
        },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${text}`);
    };
    const items = Array.from({ length: rows }, (_, n) => ({ description: `todo ${n}` }));
    const times: [batch: number, each: number][] = [];
    for (let round = -5; round < rounds; round++) {
      await fill(bench.db, bench.data.todos);
      // A table that was emptied has the server plan anew, which is a part of neither.
      for (let n = 0; n < 5; n++) {
        await post("/api/todos/batch", { items });
        await post("/api/todos", items[n]);
      }
      const began = performance.now();
      await post("/api/todos/batch", { items });
      const middle = performance.now();
      for (const item of items) await post("/api/todos", item);
      // The first ones warm both up.
      if (round >= 0) times.push([middle - began, performance.now() - middle]);
    }
    const of = (pick: (pair: [number, number]) => number) => median(times.map(pick)).toFixed(1);
    lines.push([place, of(([a]) => a), of(([, b]) => b), of(([a, b]) => b / a)]);
  }
  await record(
    "Batch",
    `${machine()}. ${bench.server}. ${rows} todos, medians of ${rounds} rounds, each of both in turn.
Milliseconds:

${table([["PostgreSQL", "one batch", `${rows} requests`, "ratio"], ...lines])}`,
  );
}

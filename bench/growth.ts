import { slate, start } from "./peers.ts";
import { type Bench, fill } from "./data.ts";
import { machine, median, record, table } from "./report.ts";
import { installKey } from "../db/keys.ts";
import { formatKey, newSecret } from "../db/_secret.ts";
import { connect } from "../postgres/mod.ts";
import { databaseUrl } from "../postgres/settings.ts";
import { migrate } from "../migrate/apply/dbmate.ts";
import { environment } from "./data.ts";

/**
 * Pages whose cost must not depend on how many rows there are. `deep` is near the end of the list,
 * and so is the date `{late}`.
 */
const pages: { name: string; query: string; deep?: boolean }[] = [
  { name: "first page", query: "" },
  { name: "deep page", query: "", deep: true },
  { name: "open todos", query: "completed=false" },
  { name: "open todos, deep", query: "completed=false", deep: true },
  { name: "by due date", query: "sort=due_date" },
  { name: "by due date, latest first", query: "sort=-due_date" },
  { name: "by change, deep", query: "sort=updated_at", deep: true },
  { name: "by due date, after a late day", query: "sort=due_date&due_after={late}" },
  {
    name: "open todos by due date, after a late day",
    query: "completed=false&sort=due_date&due_after={late}",
  },
  // A search costs what it finds: this one finds the same in both.
  { name: "search, 1 match", query: "q=777" },
];

interface Side {
  rows: number;
  key: string;
  origin: string;
}

/** The same pages over a small and a large table of one caller, the two asked in turn. */
export async function measureGrowth(bench: Bench, sizes: [number, number], requests: number) {
  await using stack = new AsyncDisposableStack();
  const sides: Side[] = [];
  for (const rows of sizes) {
    const settings = { ...bench.settings, database: `slate_${rows}` };
    await bench.db.script(`drop database if exists ${settings.database}`);
    await bench.db.script(`create database ${settings.database}`);
    await migrate(settings);
    const db = connect(settings, { size: 1, deadlineMs: 3_600_000 });
    const { secret, hash } = newSecret();
    const [row] = await installKey(db, { email: "a@b.c", scope: "write", name: "bench", hash });
    const began = performance.now();
    await fill(db, rows);
    console.log(`${rows} rows in ${Math.round((performance.now() - began) / 1000)} s`);
    await db.close();
    const running = stack.use(await start(slate, databaseUrl(settings)));
    sides.push({
      rows,
      origin: running.origin,
      key: formatKey(environment, { ownerId: row!.owner_id, id: row!.id, secret }),
    });
  }

  const lines: string[][] = [];
  for (const { name, query, deep } of pages) {
    const times = sides.map((): number[] => []);
    const queries = await Promise.all(
      sides.map(async (side) => {
        const filled = query.replace("{late}", lateDate(side.rows));
        return deep ? await deepQuery(side, filled) : filled;
      }),
    );
    for (let n = -20; n < requests; n++) {
      for (const [i, side] of sides.entries()) {
        const began = performance.now();
        await ask(side, queries[i]!);
        if (n >= 0) times[i]!.push(performance.now() - began);
      }
    }
    const [small, large] = times.map(median) as [number, number];
    lines.push([name, small.toFixed(2), large.toFixed(2), (large / small).toFixed(2)]);
    console.log(lines.at(-1)!.join(" "));
  }
  await record(
    "Growth",
    `${machine()}. ${bench.server}. One caller owns all rows; the two sizes are asked in turn, one
request at a time, ${requests} a page. Milliseconds, medians.

${table([["page of 20", ...sizes.map((rows) => `${rows} rows`), "ratio"], ...lines])}`,
  );
}

async function ask({ origin, key }: Side, query: string): Promise<{ next_cursor: string | null }> {
  const response = await fetch(`${origin}/api/todos?${query}`, {
    headers: { authorization: `Bearer ${key}` },
  });
  if (response.status !== 200) throw new Error(`${query}: ${await response.text()}`);
  return await response.json();
}

/** The due date of one of the last todos that `fill` makes. */
function lateDate(rows: number): string {
  return new Date(Date.UTC(2030, 0, 1, 9, Math.floor(rows * 0.95))).toISOString();
}

/** The cursor of the first page, moved to 95 of 100 rows. */
async function deepQuery(side: Side, query: string): Promise<string> {
  const { next_cursor } = await ask(side, query);
  const bytes = Uint8Array.fromBase64(next_cursor!, { alphabet: "base64url" });
  const [context, , value] = JSON.parse(new TextDecoder().decode(bytes));
  const moved = JSON.stringify([context, `${Math.floor(side.rows * 0.95)}`, value]);
  const cursor = new TextEncoder().encode(moved)
    .toBase64({ alphabet: "base64url", omitPadding: true });
  return `${query}${query && "&"}cursor=${cursor}`;
}

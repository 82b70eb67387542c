/**
 * `deno task test:faults`: 32 clients write through main.ts, as a process, while one thing after the
 * other goes wrong between it and a PostgreSQL of this run's own. After each: every write that was
 * acknowledged is there once, none is half there, nobody saw another's rows, what failed said 503 or
 * 504 with Retry-After, and each client is served again within 2 s. A word of a fault's name as
 * argument runs those faults only. About 2 minutes; the last line is `N passed, N failed`.
 */
import { sql } from "../../postgres/mod.ts";
import { pause, until } from "../support/pool.ts";
import { openProxy, type Proxy } from "../support/proxy.ts";
import { deadlineMs, openApp } from "./app.ts";
import { type Fault, faults, type Scene } from "./catalogue.ts";
import { createWriters, type Writer } from "../support/writers.ts";
import { type Load, startLoad } from "./load.ts";
import { openServer, type Server } from "../support/server.ts";

const clients = 32;
const poolSize = 10;
/** Until the last client is served again, as the contract has it. */
const recoveryLimitMs = 2000;
/** On a slow machine: behind the deadline of what is stuck so many times what it takes in peace. */
const slowness = 10;
/** A deadline that no request meets on a slow machine, for faults that refuse nobody. */
const patientMs = 120_000;
/** MiB that the app may have grown by at the end, beside what its first load made of it. */
const growthLimit = 64;

const columns = ["requests", "acknowledged", "refused", "lost", "doubled", "recovery"] as const;
type Row = Record<typeof columns[number], number> & { wrong: string[] };

async function suffer(fault: Fault, scene: Scene, writers: Writer[]): Promise<Row> {
  const { server, app } = scene;
  await server.admin.script("truncate todos, idempotency_keys");
  const load = startLoad(app.url, writers, fault.breakable ?? false);
  await pause(1000);
  const calm = await load.recovered();
  await fault.run(scene);
  const recovery = Math.round(await load.recovered());
  await pause(500);
  await load.stop();
  const { lost, doubled, wrong } = await audit(server, load);
  const refused = load.refused + load.broken;
  if (fault.harmless ? refused > 0 : refused === 0) wrong.push(`${refused} refused`);
  if (recovery > Math.max(recoveryLimitMs, deadlineMs + slowness * calm)) {
    wrong.push(`recovered after ${recovery} ms, and took ${Math.round(calm)} ms before the fault`);
  }
  return {
    requests: load.requests,
    acknowledged: load.acknowledged.size,
    refused,
    lost,
    doubled,
    recovery,
    wrong: [...load.wrong.slice(0, 5), ...wrong],
  };
}

/** By an app of its own. */
async function sufferPatiently(fault: Fault, server: Server, proxy: Proxy, writers: Writer[]) {
  await using app = await openApp(proxy.settings, poolSize, patientMs);
  return await suffer(fault, { server, proxy, app }, writers);
}

/** Compares what the clients know with what is there. */
async function audit({ admin }: Server, { acknowledged }: Load) {
  const wrong: string[] = [];
  // Whoever was given up may still be at its work for a moment.
  await until(async () => {
    const [row] = await admin.query<{ n: number; active: number }>(sql`
      select count(*)::int as n, count(*) filter (where state <> 'idle')::int as active
      from pg_stat_activity where usename = 'slate_app'`);
    return row!.active === 0 && row!.n <= poolSize;
  });
  const rows = await admin.query<{ description: string; n: number }>(sql`
    select description, count(*)::int as n from todos group by description`);
  const there = new Map(rows.map(({ description, n }) => [description, n]));
  const [{ half }] = await admin.query<{ half: number }>(sql`
    select count(*)::int as half
    from todos t full join idempotency_keys k on k.row_id = t.id and k.owner_id = t.owner_id
    where t.id is null or k.row_id is null`) as [{ half: number }];
  const lost = [...acknowledged].filter((description) => !there.has(description)).length;
  const doubled = rows.filter(({ n }) => n > 1).length;
  if (lost > 0) wrong.push(`${lost} lost`);
  if (doubled > 0) wrong.push(`${doubled} doubled`);
  if (half > 0) wrong.push(`${half} half there`);
  return { lost, doubled, wrong };
}

const wanted = faults.filter(({ name }) => Deno.args.every((word) => name.includes(word)));
const width = Math.max(...wanted.map(({ name }) => name.length));
const line = (name: string, cells: (string | number)[]) =>
  console.log(name.padEnd(width), ...cells.map((cell) => String(cell).padStart(12)));

let failed = 0;
{
  await using server = await openServer();
  await using proxy = openProxy(server.app);
  await using app = await openApp(proxy.settings, poolSize, deadlineMs);
  const writers = await createWriters(server.admin, clients);
  line("fault", [...columns.slice(0, -1), "recovery ms"]);
  let before: number | undefined;
  for (const fault of wanted) {
    const row = fault.harmless
      ? await sufferPatiently(fault, server, proxy, writers)
      : await suffer(fault, { server, proxy, app }, writers);
    if (!fault.harmless) before ??= await app.memory();
    line(fault.name, columns.map((column) => row[column]));
    for (const text of row.wrong) console.log(`  wrong: ${text}`);
    if (row.wrong.length > 0) failed++;
  }
  const after = await app.memory();
  before ??= after;
  console.log(`memory of the app: ${before} MiB after the first fault, ${after} MiB at the end`);
  if (after - before > growthLimit) failed++;
}
console.log(`${Math.max(0, wanted.length - failed)} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);

/** Rows that move to another node of a cluster: `deno task test:citus` runs this. */
import { assertEquals } from "@std/assert";
import { connect, sql } from "../../postgres/mod.ts";
import { createApi, type TestApi } from "../support/api.ts";
import { root } from "../support/root.ts";
import { until } from "../support/pool.ts";

/** Moves all that a user owns to the other worker. */
async function move(api: TestApi, owner: number) {
  const db = connect(api.database.settings, { size: 1, deadlineMs: 60_000 });
  try {
    const [place] = await db.query<Record<string, string>>(sql`
      select p.shardid, p.nodename, p.nodeport, o.nodename as to_name, o.nodeport as to_port
      from pg_dist_shard_placement p
      join pg_dist_node o on o.groupid > 0 and (o.nodename, o.nodeport) <> (p.nodename, p.nodeport)
      where p.shardid = get_shard_id_for_distribution_column('todos', ${owner}::bigint)`);
    const { shardid, nodename, nodeport, to_name, to_port } = place!;
    await db.script(`select citus_move_shard_placement(
      ${shardid}, '${nodename}', ${nodeport}, '${to_name}', ${to_port}, 'block_writes')`);
  } finally {
    await db.close();
  }
}

async function copyOf(api: TestApi, cursor?: string) {
  const copy = new Map<number, string>();
  for (let more = true; more;) {
    const query = cursor ? `?cursor=${cursor}` : "";
    const { status, json } = await api.call(`GET /api/changes${query}`);
    if (status !== 200) return { status, copy, cursor };
    for (const { id, row } of json.data) copy.set(id, row?.description);
    ({ more, next_cursor: cursor } = json);
  }
  return { status: 200, copy, cursor };
}

Deno.test("changes: after a move to another node and back each old cursor is 410, and no row is missed [51]", async () => {
  await using api = await createApi();
  const { json: me } = await api.call("GET /api/me");
  const write = (description: string) => api.call("POST /api/todos", { body: { description } });
  const texts = async () => {
    const { copy, cursor } = await copyOf(api);
    return { texts: [...copy.values()].sort().join(), cursor };
  };
  await write("a");
  await until(async () => (await texts()).texts === "a");
  let { cursor } = await texts();
  let all = "a";
  // One of the two goes to the node that has counted less far, the other to the one that has further.
  for (const next of ["b", "c"]) {
    await write(`${next}1`);
    await move(api, me.id);
    assertEquals((await copyOf(api, cursor)).status, 410);
    await write(`${next}2`);
    const admin = connect(api.database.settings, { size: 1, deadlineMs: 60_000 });
    try {
      await admin.script(await Deno.readTextFile(`${root}/db/citus.sql`));
    } finally {
      await admin.close();
    }
    all = [all, `${next}1`, `${next}2`].join();
    await until(async () => (await texts()).texts === all);
    ({ cursor } = await texts());
    const { status, copy } = await copyOf(api, cursor);
    assertEquals([status, copy.size], [200, 0]);
  }
});

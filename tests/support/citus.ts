/** Tests on the nodes of a Citus cluster, as `deno task test:citus` runs them. */
import { sql } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { root } from "./root.ts";
import { connectPatiently } from "./database.ts";

/** The workers of the cluster whose coordinator this is; none of a server that is no coordinator. */
export async function workersOf(server: DatabaseSettings): Promise<DatabaseSettings[]> {
  const db = connectPatiently(server, { size: 1 });
  try {
    const [found] = await db.query<{ citus: boolean }>(
      sql`select to_regclass('pg_dist_node') is not null as citus`,
    );
    if (!found!.citus) return [];
    const workers = await db.query<{ host: string; port: number }>(sql`
      select nodename as host, nodeport as port
      from pg_dist_node
      where groupid > 0 and noderole = 'primary'
      order by groupid`);
    // Not the coordinator's database, in which roles are the coordinator's business.
    return workers.map((worker) => ({ ...server, ...worker, database: "postgres" }));
  } finally {
    await db.close();
  }
}

/** Joins the databases of this name on all nodes into one. */
export async function joinNodes(nodes: DatabaseSettings[], database: string) {
  for (const node of nodes) await script({ ...node, database }, "create extension citus");
  const [coordinator, ...workers] = nodes as [DatabaseSettings, ...DatabaseSettings[]];
  const calls = [
    `citus_set_coordinator_host('${coordinator.host}', ${coordinator.port})`,
    ...workers.map(({ host, port }) => `citus_add_node('${host}', ${port})`),
  ];
  for (const call of calls) await script({ ...coordinator, database }, `select ${call}`);
}

/** Spreads what the migrations made by db/citus.sql, and leaves the databases for being copied. */
export async function spread(nodes: DatabaseSettings[], database: string, shards: number) {
  const text = await Deno.readTextFile(`${root}/db/citus.sql`);
  await script({ ...nodes[0]!, database }, `set citus.shard_count = ${shards};\n${text}`);
  // Citus keeps a connection of its own to each database of which it knows.
  for (const node of nodes) {
    await script(
      node,
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}'`,
    );
  }
}

/** Gives a copied database what db/citus.sql sets for it, which PostgreSQL does not copy. */
export function settingsCopied(from: string, to: string): string {
  return `do $$
    declare
      setting text;
    begin
      for setting in
        select unnest(setconfig)
        from pg_db_role_setting join pg_database d on d.oid = setdatabase
        where datname = '${from}'
      loop
        execute format('alter database ${to} set %s = %L',
          split_part(setting, '=', 1), split_part(setting, '=', 2));
      end loop;
    end $$`;
}

async function script(settings: DatabaseSettings, text: string) {
  const db = connectPatiently(settings, { size: 1 });
  try {
    await db.script(text);
  } finally {
    await db.close();
  }
}

/** Reads from a streaming replica: never behind their caller, and never the reason for a failure. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { startEmbedded } from "../../embedded/mod.ts";
import { sql } from "../../postgres/mod.ts";
import { connectReplica } from "../../postgres/replica.ts";
import { databaseUrl } from "../../postgres/settings.ts";
import { migrate } from "../../migrate/apply/dbmate.ts";
import { createApp } from "../../routes/mod.ts";
import { createWriters } from "../support/writers.ts";
import { keepPort } from "../support/owner.ts";
import { until } from "../support/pool.ts";
import { startProcess } from "../support/process.ts";
import { openProxy } from "../support/proxy.ts";
import { connectPatiently } from "../support/database.ts";

const ignore = Deno.build.os === "windows";

async function folder(): Promise<string> {
  const path = await Deno.makeTempDir({ prefix: "slate-replica-" });
  await keepPort(path);
  return path;
}

/** A primary that is migrated, and a replica that follows it. */
async function startPair() {
  const [primaryDir, replicaDir] = [await folder(), await folder()];
  let primary = await startEmbedded({ dataDir: primaryDir });
  await migrate(primary.settings);
  await primary.stop();
  const { host, port, user, password } = primary.settings;
  for (const name of ["postgres", "pgpass"]) {
    const source = await Deno.realPath(join(primaryDir, name));
    await new Deno.Command("cp", { args: ["-a", source, join(replicaDir, name)] }).output();
  }
  const data = join(replicaDir, "postgres");
  await Deno.writeTextFile(join(data, "standby.signal"), "");
  await Deno.writeTextFile(
    join(data, "postgresql.auto.conf"),
    `primary_conninfo = 'host=${host} port=${port} user=${user} password=${password}'\n`,
  );
  primary = await startEmbedded({ dataDir: primaryDir });
  const replica = await startEmbedded({ dataDir: replicaDir });
  const running = new Set([primary, replica]);
  return {
    primary,
    replica,
    async stopPrimary() {
      running.delete(primary);
      await primary.stop();
    },
    async [Symbol.asyncDispose]() {
      for (const server of running) await server.stop();
      for (const path of [primaryDir, replicaDir]) {
        await Deno.remove(await Deno.realPath(join(path, "postgres")), { recursive: true });
        await Deno.remove(path, { recursive: true });
      }
    },
  };
}

Deno.test({
  name:
    "replica: it answers whoever allows it and has all of theirs; else, behind or away, the primary does",
  ignore,
  async fn() {
    await using pair = await startPair();
    // As an address that moves with the primary.
    const target = { ...pair.primary.settings };
    await using proxy = openProxy(target);
    const db = connectPatiently(proxy.settings, { size: 4 });
    const warnings: string[] = [];
    const warn = (text: string) => warnings.push(text);
    const replica = connectReplica(pair.replica.settings, db, { size: 4, warn });
    const options = { environment: "live", corsOrigins: [], rateLimit: 0, log() {} };
    const app = createApp({ ...options, db, replica });
    const follower = connectPatiently(pair.replica.settings, { size: 1 });
    const [writer] = await createWriters(db, 1);

    async function call(method: string, path: string, body?: unknown, written?: string) {
      const response = await app.request(`/api/todos${path}`, {
        method,
        headers: {
          authorization: `Bearer ${writer!.token}`,
          "content-type": "application/json",
          ...written !== undefined && { "slate-written": written },
        },
        body: body ? JSON.stringify(body) : undefined,
      });
      const json = await response.json();
      return { status: response.status, json, written: response.headers.get("slate-written")! };
    }
    const description = async (written?: string) =>
      (await call("GET", "/1", undefined, written)).json.description;
    const replay = (verb: "pause" | "resume") => follower.script(`select pg_wal_replay_${verb}()`);
    /** The replica itself, which does not know what comes while it is paused. */
    const caughtUp = (written: string) =>
      until(async () =>
        (await follower.query<{ done: boolean }>(
          sql`select ${written}::xid8 < pg_snapshot_xmin(pg_current_snapshot()) as done`,
        ))[0]!.done
      );

    const first = await call("POST", "", { description: "first" });
    assertEquals(first.status, 201);
    await caughtUp(first.written);
    await replay("pause");
    const second = await call("PATCH", "/1", { description: "second" });
    assertEquals(await description(), "second", "without a word the primary answers");
    // It is passed over for a while where it is not quick enough; the primary would say "second".
    for (const written of [first.written, "0"]) {
      await until(async () => await description(written) === "first");
    }
    assertEquals(await description(second.written), "second", "the replica is behind this write");
    const page = async () => (await call("GET", "?limit=1", undefined, "0")).json.data[0];
    await until(async () => (await page()).description === "first");
    assertEquals((await call("GET", "/1", undefined, "x")).status, 400);
    await replay("resume");
    await caughtUp(second.written);
    assertEquals(await description(second.written), "second");

    // Who follows changes has a place of before.
    const following = async (cursor: string) =>
      await app.request(`/api/changes${cursor}`, {
        headers: { authorization: `Bearer ${writer!.token}` },
      });
    const { next_cursor } = await (await following("")).json();
    assertEquals((await following(`?cursor=${next_cursor}`)).status, 200);

    // The primary dies, the replica takes its place, and its address.
    await pair.stopPrimary();
    await follower.script("select pg_promote()");
    assertEquals((await call("GET", "/1")).status, 503);
    target.port = pair.replica.settings.port;
    await until(async () => (await call("PATCH", "/1", { description: "third" })).status === 200);
    await until(async () => {
      assertEquals(await description("0"), "third");
      return warnings.length > 0;
    });
    assertEquals(
      (await following(`?cursor=${next_cursor}`)).status,
      410,
      "a replica may lack the last writes, and gives their numbers to others",
    );
    assertEquals(warnings, [
      "DATABASE_REPLICA_URL names a primary, not a replica: it is not read from",
    ]);
    await replica.close();

    // A replica that is away.
    const away = connectReplica({ ...target, port: 1 }, db, { size: 1, warn });
    const lonely = createApp({ ...options, db, replica: away });
    const response = await lonely.request("/api/todos/1", {
      headers: { authorization: `Bearer ${writer!.token}`, "slate-written": "0" },
    });
    assertEquals((await response.json()).description, "third");
    await away.close();
    await follower.close();
    await db.close();
  },
});

Deno.test("replica: a DATABASE_REPLICA_URL that names the primary is refused at the start", async () => {
  const settings = { host: "127.0.0.1", port: 1, database: "x", user: "x", tls: "off" as const };
  const url = databaseUrl(settings);
  await using child = startProcess(["run", "--allow-env", "--allow-read", "main.ts"], {
    DATABASE_URL: url,
    DATABASE_REPLICA_URL: url,
  });
  assertEquals(await child.ended, 1);
  assertStringIncludes(child.output(), "DATABASE_REPLICA_URL names the primary of DATABASE_URL");
});

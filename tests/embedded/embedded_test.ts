import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { networkInterfaces } from "node:os";
import { dirname, isAbsolute } from "node:path";
import { succeeds } from "../../embedded/account.ts";
import { copyPrograms, packageFolder } from "../../embedded/binaries.ts";
import { EmbeddedError, runningEmbedded, startEmbedded } from "../../embedded/mod.ts";
import { sql, Unreachable } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { root } from "../support/root.ts";
import {
  gone,
  note,
  notes,
  postmaster,
  runs,
  startOwner,
  temporaryFolder,
} from "../support/owner.ts";
import { until } from "../support/pool.ts";
import { connectPatiently } from "../support/database.ts";

Deno.test("embedded: a copy of the programs works without the folder that it was copied from", async () => {
  await using folder = await temporaryFolder("slate-programs-");
  const source = `${folder.path}/package`;
  const copy = `${folder.path}/copy`;
  // Twice: the second time from a folder that holds the links already, as the package does.
  await copyPrograms(source, await packageFolder());
  await copyPrograms(copy, source);
  const links = Array.from(Deno.readDirSync(`${copy}/lib`)).filter((entry) => entry.isSymlink);
  assert(links.length > 0);
  for (const { name } of links) {
    assert(!isAbsolute(await Deno.readLink(`${copy}/lib/${name}`)), name);
  }
  await Deno.remove(source, { recursive: true });
  assert(await succeeds(`${copy}/bin/postgres`, ["--version"]));
});

Deno.test("embedded: data, port and password survive a stop and a start", async () => {
  await using folder = await temporaryFolder("slate with spaces & 'quotes' ");
  const dataDir = `${folder.path}/data`;
  const first = await startEmbedded({ dataDir });
  await note(first.settings, "kept");
  await first.stop();
  assertEquals(await runningEmbedded(dataDir), undefined);
  const second = await startEmbedded({ dataDir });
  assertEquals(second.settings, first.settings);
  assertEquals(await notes(second.settings), ["kept"]);
  await second.stop();
});

Deno.test("embedded: it listens on the loopback only, and asks for the password", async () => {
  const server = await startEmbedded();
  const db = connectPatiently(server.settings);
  assertEquals(
    await db.query<unknown>(sql`
      select current_setting('listen_addresses') as addresses,
        current_setting('unix_socket_directories') as sockets
    `),
    [{ addresses: "127.0.0.1", sockets: "" }],
  );
  await db.close();
  for (const password of [undefined, "", "guess"]) {
    const stranger = connectPatiently({ ...server.settings, password });
    await assertRejects(() => stranger.query(sql`select 1`), Unreachable);
    await stranger.close();
  }
  const others = Object.values(networkInterfaces()).flat().filter((i) => !i!.internal);
  for (const { address } of others.filter((i) => i!.family === "IPv4") as { address: string }[]) {
    const fromOutside = connectPatiently({ ...server.settings, host: address });
    const error = await assertRejects(() => fromOutside.query(sql`select 1`), Unreachable);
    assertEquals(error.code, "ECONNREFUSED");
    await fromOutside.close();
  }
  await server.stop();
});

Deno.test("embedded: a second owner is refused, the message names the first, and the first goes on", async () => {
  await using folder = await temporaryFolder("slate-embedded-");
  const dataDir = `${folder.path}/data`;
  const server = await startEmbedded({ dataDir, owner: "deno task first" });
  const error = await assertRejects(() => startEmbedded({ dataDir }), EmbeddedError);
  assertEquals(
    error.message,
    `${dataDir} is in use by deno task first (process ${Deno.pid}): stop that first, or set SLATE_DATA_DIR to another folder`,
  );
  await note(server.settings, "undisturbed");
  await server.stop();
});

Deno.test("embedded: a server whose owner is killed stops by itself and keeps the data", async () => {
  await using folder = await temporaryFolder("slate-embedded-");
  const dataDir = `${folder.path}/data`;
  const owner = await startOwner(dataDir);
  await note(owner.settings, "kept");
  const pid = await postmaster(dataDir);
  await owner.kill();
  await until(async () => !await runs(pid));
  const server = await startEmbedded({ dataDir });
  assertEquals(await notes(server.settings), ["kept"]);
  await server.stop();
});

Deno.test("embedded: a start right after a kill gets a server that keeps running", async () => {
  await using folder = await temporaryFolder("slate-embedded-");
  const dataDir = `${folder.path}/data`;
  for (let round = 0; round < 3; round++) {
    const owner = await startOwner(dataDir);
    await note(owner.settings, `${round}`);
    await owner.kill();
    const server = await startEmbedded({ dataDir });
    for (const pid of owner.pids) await until(async () => !await runs(pid));
    assertEquals((await notes(server.settings)).length, round + 1);
    assertEquals(server.settings, owner.settings);
    await server.stop();
  }
});

for (const survivor of ["nothing", "the server"]) {
  Deno.test(`embedded: kill -9 of everything, ${survivor} survives: the data is there`, async () => {
    await using folder = await temporaryFolder("slate-embedded-");
    const dataDir = `${folder.path}/data`;
    const owner = await startOwner(dataDir);
    await note(owner.settings, "kept");
    const pid = await postmaster(dataDir);
    // The shell first, so that it stops nothing any more.
    for (const shell of owner.pids.slice(1)) Deno.kill(shell, "SIGKILL");
    await owner.kill(...survivor === "nothing" ? [pid] : []);
    const server = await startEmbedded({ dataDir });
    assertEquals(await notes(server.settings), ["kept"]);
    assertEquals(server.settings, owner.settings);
    assertNotEquals(await postmaster(dataDir), pid);
    await server.stop();
  });
}

Deno.test("embedded: a stop ends the server also where its shell was killed", async () => {
  await using folder = await temporaryFolder("slate-embedded-");
  const dataDir = `${folder.path}/data`;
  const owner = await startOwner(dataDir);
  const pid = await postmaster(dataDir);
  for (const shell of owner.pids.slice(1)) Deno.kill(shell, "SIGKILL");
  await owner.stop();
  await until(async () => !await runs(pid));
});

/** The folder of a server that was given none. */
async function folderOf(settings: DatabaseSettings): Promise<string> {
  const db = connectPatiently(settings, { size: 1 });
  const [row] = await db.query<{ path: string }>(sql`
    select current_setting('data_directory') as path
  `);
  await db.close();
  return dirname(row!.path);
}

Deno.test("embedded: a server without a folder leaves nothing behind, even if its owner is killed", async () => {
  const server = await startEmbedded();
  const stopped = await folderOf(server.settings);
  await server.stop();
  await gone(stopped);
  const owner = await startOwner();
  const killed = await folderOf(owner.settings);
  await owner.kill();
  await gone(killed);
  assertEquals(await runningEmbedded(killed), undefined);
});

/** A process that starts an ephemeral server, and its folder for temporary files. */
async function startOnce(folder: string, limits = "") {
  const parent = `${folder}/once`;
  await Deno.mkdir(parent);
  await Deno.chmod(folder, 0o711);
  await Deno.chmod(parent, 0o1777);
  const module = import.meta.resolve("../../embedded/mod.ts");
  const owner = new Deno.Command("sh", {
    args: ["-c", `${limits} exec "$@"`, "sh", Deno.execPath(), "eval"].concat(
      `(await import("${module}")).startEmbedded().catch(({ name }) => console.log(name))`,
    ),
    cwd: root,
    env: { TMPDIR: parent },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  return { owner, parent };
}

Deno.test("embedded: an ephemeral server that cannot be set up leaves nothing behind", async () => {
  await using folder = await temporaryFolder("slate-embedded-");
  // No file of more than a megabyte, as on a full disk.
  const { owner, parent } = await startOnce(folder.path, "trap '' XFSZ; ulimit -f 2000;");
  const { stdout } = await owner.output();
  assertEquals(new TextDecoder().decode(stdout), "EmbeddedError\n");
  assertEquals([...Deno.readDirSync(parent)], []);
});

Deno.test("embedded: an owner who is killed while the server starts leaves nothing behind", async () => {
  await using folder = await temporaryFolder("slate-embedded-");
  const { owner, parent } = await startOnce(folder.path);
  const once = () => Array.from(Deno.readDirSync(parent), ({ name }) => `${parent}/${name}`);
  let pid = 0;
  await until(async () => {
    [pid = 0] = await Promise.all(once().map((dataDir) => postmaster(dataDir).catch(() => 0)));
    return pid > 0;
  });
  owner.kill("SIGKILL");
  await owner.output();
  await until(() => Promise.resolve(once().length === 0));
  await until(async () => !await runs(pid));
});

Deno.test("embedded: an owner who is killed before the server starts leaves nothing behind, nor what it has begun", async () => {
  await using folder = await temporaryFolder("slate-embedded-");
  // A shell that is slow to make the folder: it does when its owner is gone.
  const made = `${folder.path}/made`;
  await Deno.writeTextFile(
    `${folder.path}/sh`,
    `#!/bin/sh
case "$*" in *"mkdir -p"*) touch '${made}'.now; sleep 0.5; /bin/sh "$@"; exec touch '${made}' ;; esac
exec /bin/sh "$@"
`,
    { mode: 0o755 },
  );
  const { owner, parent } = await startOnce(folder.path, `PATH=${folder.path}:$PATH;`);
  const isEmpty = () => Array.from(Deno.readDirSync(parent)).length === 0;
  const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);
  await until(() => isThere(`${made}.now`));
  owner.kill("SIGKILL");
  await owner.output();
  await until(() => isThere(made));
  await until(isEmpty);
});

Deno.test("embedded: the data of another major is refused, and nothing is changed", async () => {
  await using folder = await temporaryFolder("slate-embedded-");
  const dataDir = `${folder.path}/data`;
  await Deno.mkdir(`${dataDir}/postgres`, { recursive: true });
  await Deno.writeTextFile(`${dataDir}/postgres/PG_VERSION`, "17\n");
  await Deno.writeTextFile(`${dataDir}/pgpass`, "127.0.0.1:*:*:slate:old\n");
  const before = await Deno.stat(dataDir);
  const error = await assertRejects(() => startEmbedded({ dataDir }), EmbeddedError);
  assert(
    /holds the data of PostgreSQL 17, .* brings 18: .*; nothing was changed/.test(error.message),
  );
  assertEquals(await Deno.readTextFile(`${dataDir}/postgres/PG_VERSION`), "17\n");
  assertEquals(await Deno.readTextFile(`${dataDir}/pgpass`), "127.0.0.1:*:*:slate:old\n");
  const names = Array.from(Deno.readDirSync(`${dataDir}/postgres`), (entry) => entry.name);
  assertEquals(names, ["PG_VERSION"]);
  const after = await Deno.stat(dataDir);
  assertEquals([after.uid, after.mode], [before.uid, before.mode]);
});

Deno.test("embedded: a lost password file is named, with the remedy", async () => {
  await using folder = await temporaryFolder("slate-embedded-");
  const dataDir = `${folder.path}/data`;
  const server = await startEmbedded({ dataDir });
  await server.stop();
  const kept = await Deno.readTextFile(`${dataDir}/pgpass`);
  await Deno.remove(`${dataDir}/pgpass`);
  await assertRejects(() => startEmbedded({ dataDir }), EmbeddedError, `${dataDir}/pgpass is not`);
  assertEquals(await runningEmbedded(dataDir), undefined);
  await Deno.writeTextFile(`${dataDir}/pgpass`, kept);
  await (await startEmbedded({ dataDir })).stop();
});

/**
 * What root writes and removes where somebody else can put a link. The tests need root, and `nobody`
 * as that somebody.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import * as account from "../../embedded/account.ts";
import { removeInTheEnd } from "../../embedded/watchdog.ts";
import { createFolder, migration, runDb } from "../support/command.ts";
import { createDatabase } from "../support/database.ts";

const ignore = Deno.build.os !== "linux" || Deno.uid() !== 0;
const name = (sentence: string) => `root: ${sentence}${ignore ? " (needs root on Linux)" : ""}`;
const nobody = ignore ? { uid: 0, gid: 0 } : (await account.serverAccount("/nowhere"))!;

/** A folder of root's, and in it one of nobody's. */
async function foldersOfBoth() {
  const folder = await createFolder();
  await Deno.chmod(folder.path, 0o755);
  const foreign = join(folder.path, "foreign");
  await Deno.mkdir(foreign);
  await Deno.chown(foreign, nobody.uid, nobody.gid);
  return { ...folder, foreign };
}

Deno.test({
  name: name("a folder of its own below somebody else's is used as that somebody, by any way"),
  ignore,
  async fn() {
    await using folder = await foldersOfBoth();
    const own = join(folder.foreign, "own");
    await Deno.mkdir(own);
    // Whoever owns the folder above puts a link to another in its place, in the right moment.
    await Deno.chmod(own, 0o777);
    const byLink = join(folder.path, "link");
    await Deno.symlink("foreign/../foreign/own", byLink);
    for (const [n, dataDir] of [own, byLink].entries()) {
      const path = join(dataDir, `lock${n}`);
      (await account.openLock(path)).close();
      assertEquals((await Deno.stat(path)).uid, nobody.uid, path);
    }
    assertEquals(await account.serverAccount(own), nobody);
    // Nobody else comes past a folder that only root may enter.
    await Deno.chmod(folder.path, 0o700);
    (await account.openLock(join(own, "lock2"))).close();
    assertEquals((await Deno.stat(join(own, "lock2"))).uid, 0);
  },
});

Deno.test({
  name: name("a file of a project is written as the folder's owner, never through a link of his"),
  ignore,
  async fn() {
    await using folder = await foldersOfBoth();
    await folder.write("precious", "root's");
    const precious = join(folder.path, "precious");
    await Deno.chmod(precious, 0o644);
    await Deno.symlink(precious, join(folder.foreign, "schema.sql"));
    await Deno.symlink(precious, join(folder.foreign, ".env"));
    await assertRejects(() => account.writeProjectFile(join(folder.foreign, "schema.sql"), "x"));
    await assertRejects(() => account.writeProjectFile(join(folder.foreign, ".env"), "x", 0o600));
    const { uid, mode } = await Deno.stat(precious);
    assertEquals([uid, mode! & 0o777], [0, 0o644]);
    assertEquals(await Deno.readTextFile(precious), "root's");
    const path = join(folder.foreign, "his");
    await Deno.writeTextFile(path, "old", { mode: 0o644 });
    await Deno.chown(path, nobody.uid, nobody.gid);
    await account.writeProjectFile(path, "new", 0o600);
    const written = await Deno.stat(path);
    assertEquals([written.uid, written.mode! & 0o777], [nobody.uid, 0o600]);
    assertEquals(await Deno.readTextFile(path), "new");
  },
});

Deno.test({
  name: name("`db drift` does not empty a folder that somebody has put where it keeps catalogs"),
  ignore,
  async fn() {
    await using database = await createDatabase({ empty: true });
    await using folder = await foldersOfBoth();
    await folder.write(
      "migrations/1_one.sql",
      migration("create table one ();", "drop table one;"),
    );
    await Deno.mkdir(join(folder.path, "etc"));
    await folder.write("etc/passwd", "root");
    await Deno.symlink(join(folder.path, "etc"), join(folder.foreign, "catalogs"));
    const place = {
      settings: database.settings,
      folder: folder.path,
      env: { SLATE_DATA_DIR: folder.foreign },
    };
    assertEquals((await runDb(["up"], place)).code, 0);
    assertEquals((await runDb(["drift"], place)).code, 0);
    assertEquals(Array.from(Deno.readDirSync(join(folder.path, "etc")), (e) => e.name), ["passwd"]);
  },
});

Deno.test({
  name: name(
    "what is removed in the end takes its servers' homes along, but none by another's link",
  ),
  ignore,
  async fn() {
    const other = join(account.homes, crypto.randomUUID());
    const home = join(account.homes, crypto.randomUUID());
    for (const folder of [other, home]) {
      await Deno.mkdir(join(folder, "postgres"), { recursive: true });
    }
    try {
      await using folder = await createFolder();
      const data = join(folder.path, "a run", "data");
      await Deno.mkdir(data, { recursive: true });
      await Deno.symlink(join(home, "postgres"), join(data, "postgres"));
      const link = join(folder.path, "postgres");
      await Deno.symlink(join(other, "postgres"), link);
      await new Deno.Command("chown", { args: ["-h", String(nobody.uid), link] }).output();
      await removeInTheEnd(join(folder.path, "a run"), link)();
      assertEquals([await there(home), await there(other)], [false, true]);
    } finally {
      for (const folder of [other, home]) {
        await Deno.remove(folder, { recursive: true }).catch(() => {});
      }
    }
  },
});

const there = (path: string) => Deno.lstat(path).then(() => true, () => false);

Deno.test({
  name: name("a checkout of a number that is no account here is served by nobody"),
  ignore,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "slate-mounted-" });
    await Deno.chown(folder, 424_242, 424_242);
    assertEquals(account.foreignOwner(folder), undefined);
    assertEquals(await account.serverAccount(join(folder, ".data")), nobody);
    await Deno.remove(folder);
  },
});

/**
 * Who may run the embedded server, and from where. The tests that change the account need root, and
 * `nobody`, the one ordinary account that every system has.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { dirname, join } from "node:path";
import { EmbeddedError, startEmbedded } from "../../embedded/mod.ts";
import { removeData, serverAccount } from "../../embedded/account.ts";
import { root } from "../support/root.ts";
import { note, notes, startOwner, temporaryFolder } from "../support/owner.ts";

const isRoot = Deno.uid() === 0;
const nobody = isRoot ? (await serverAccount("/nowhere"))! : { uid: 0, gid: 0 };
const ordinary = ["setpriv", `--reuid=${nobody.uid}`, `--regid=${nobody.gid}`, "--clear-groups"];
const ignore = !isRoot || Deno.build.os !== "linux";
const name = (sentence: string) => `embedded: ${sentence}${ignore ? " (needs root on Linux)" : ""}`;

async function shell(command: string, ...args: string[]) {
  const { success, stderr } = await new Deno.Command(command, { args, stdout: "null" }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/**
 * What an ordinary user needs who may not enter root's home: a checkout, Deno and its cache. The
 * cache is root's and holds hard links, so that the user can read it and not write it.
 */
async function everythingFor(folder: string) {
  await Deno.chmod(folder, 0o755);
  const checkout = join(folder, "checkout");
  await Deno.mkdir(checkout);
  await shell(
    "cp",
    "-r",
    ...["embedded", "migrate", "postgres", "deno.json", "deno.lock"].map((name) =>
      join(root, name)
    ),
    checkout,
  );
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  const cache = join(folder, "cache");
  await Deno.mkdir(cache);
  const copy = (from: string, to: string) =>
    shell("cp", "-rPl", from, to).catch(() => shell("cp", "-rP", from, to));
  await copy(npmCache, join(cache, "npm"));
  // As it is when nothing has run yet: without the libraries' links, which it now cannot make here.
  await shell("find", cache, "-type", "l", "-delete");
  await copy(Deno.execPath(), join(folder, "deno"));
  // Under a strict umask too. Of the cache only the folders are copies.
  await shell("chmod", "-R", "a+rX", checkout);
  await shell("find", cache, "-type", "d", "-exec", "chmod", "a+rx", "{}", "+");
  const home = join(folder, "home");
  await Deno.mkdir(home, { mode: 0o700 });
  await Deno.chown(home, nobody.uid, nobody.gid);
  return {
    dataDir: join(home, "data"),
    options: {
      as: ordinary,
      deno: join(folder, "deno"),
      checkout,
      env: { DENO_DIR: cache, HOME: home },
    },
  };
}

Deno.test({
  name: name("an ordinary user runs it from a read-only cache, in a home of mode 0700"),
  ignore,
  async fn() {
    await using folder = await temporaryFolder("slate-ordinary-");
    const { dataDir, options } = await everythingFor(folder.path);
    for (const text of ["first", "second"]) {
      const owner = await startOwner(dataDir, options);
      await note(owner.settings, text);
      await owner.kill();
    }
    const owner = await startOwner(dataDir, options);
    assertEquals(await notes(owner.settings), ["first", "second"]);
    await owner.stop();
    const names = Array.from(Deno.readDirSync(dataDir), (entry) => entry.name);
    assert(names.some((name) => name.startsWith("postgresql-18")), names.join());
    assertEquals((await Deno.stat(join(dataDir, "postgres"))).uid, nobody.uid);
    assertEquals((await Deno.stat(join(dataDir, "pgpass"))).mode! & 0o777, 0o600);
  },
});

Deno.test({
  name: name("root runs an ordinary user's data as that user, who can use it afterwards"),
  ignore,
  async fn() {
    await using folder = await temporaryFolder("slate-ordinary-");
    const { dataDir, options } = await everythingFor(folder.path);
    const owner = await startOwner(dataDir, options);
    await note(owner.settings, "the user's");
    await owner.stop();
    const server = await startEmbedded({ dataDir });
    await note(server.settings, "root's");
    await server.stop();
    const again = await startOwner(dataDir, options);
    assertEquals(await notes(again.settings), ["root's", "the user's"]);
    await again.stop();
  },
});

Deno.test({
  name: name("an ordinary user gets a message that the folder belongs to another"),
  ignore,
  async fn() {
    await using folder = await temporaryFolder("slate-ordinary-");
    const { options } = await everythingFor(folder.path);
    const dataDir = join(folder.path, "data");
    await assertRejects(() => startOwner(dataDir, options), Error, `${dataDir} cannot be used`);
  },
});

Deno.test({
  name: name("root in a folder of mode 0700 finds the data again through a link"),
  ignore,
  async fn() {
    await using folder = await temporaryFolder("slate-root-");
    await Deno.chmod(folder.path, 0o700);
    const dataDir = join(folder.path, "data");
    const server = await startEmbedded({ dataDir });
    await note(server.settings, "kept");
    await server.stop();
    const home = dirname(await Deno.readLink(join(dataDir, "postgres")));
    assertEquals(dirname(dirname(home)), "/var/lib/slate");
    for (
      const [path, owner, allowed] of [[home, 0, 0o711], [`${home}/postgres`, nobody.uid, 0o700]]
    ) {
      const { uid, mode } = await Deno.stat(path as string);
      assertEquals([uid, mode! & 0o777], [owner, allowed]);
    }
    const again = await startEmbedded({ dataDir });
    assertEquals(await notes(again.settings), ["kept"]);
    await again.stop();
  },
});

Deno.test({
  name: name("data that its account can no longer read is not taken for missing"),
  ignore,
  async fn() {
    await using folder = await temporaryFolder("slate-root-");
    await Deno.chmod(folder.path, 0o755);
    const dataDir = join(folder.path, "data");
    const server = await startEmbedded({ dataDir });
    await note(server.settings, "kept");
    await server.stop();
    await Deno.chmod(folder.path, 0o700);
    await assertRejects(() => startEmbedded({ dataDir }), EmbeddedError, "x permission");
    await Deno.chmod(folder.path, 0o755);
    const again = await startEmbedded({ dataDir });
    assertEquals(await notes(again.settings), ["kept"]);
    await again.stop();
  },
});

/** A file of root's that nobody but root may write, and what it says. */
async function precious(folder: string) {
  const path = join(folder, "precious");
  await Deno.writeTextFile(path, "root's", { mode: 0o600 });
  return {
    path,
    async isAsItWas() {
      const { uid, mode } = await Deno.lstat(path);
      assertEquals([uid, mode! & 0o777], [0, 0o600]);
      assertEquals(await Deno.readTextFile(path), "root's");
    },
  };
}

/** All that is written beside PGDATA. */
const besideData = ["lock", "port", "pgpass", "pgpass.initdb", "postgres.log"];

Deno.test({
  name: name(
    "of what root's server has, only PGDATA and its log are the account's, which can put nothing beside",
  ),
  ignore,
  async fn() {
    await using folder = await temporaryFolder("slate-root-");
    await Deno.chmod(folder.path, 0o755);
    const dataDir = join(folder.path, "data");
    const server = await startEmbedded({ dataDir });
    await server.stop();
    assertEquals((await Deno.lstat(dataDir)).uid, 0);
    for (const { name } of Deno.readDirSync(dataDir)) {
      const { uid } = Deno.lstatSync(join(dataDir, name));
      assertEquals([name, uid], [name, /^postgres(\.log)?$/.test(name) ? nobody.uid : 0]);
    }
    const command = new Deno.Command("setpriv", {
      args: [...ordinary.slice(1), "ln", "-s", "/etc/passwd", join(dataDir, "port.new")],
      stderr: "null",
    });
    assertEquals((await command.output()).success, false);
  },
});

Deno.test({
  name: name(
    "links that the account has put into a folder of its own lead root to no file of root's",
  ),
  ignore,
  async fn() {
    await using folder = await temporaryFolder("slate-links-");
    await Deno.chmod(folder.path, 0o755);
    const file = await precious(folder.path);
    await Promise.all([...besideData, "postgres", "postgres.unfinished"].map(async (name) => {
      const dataDir = join(folder.path, name, "data");
      await Deno.mkdir(dataDir, { recursive: true });
      await Deno.symlink(file.path, join(dataDir, name));
      await Deno.chown(dataDir, nobody.uid, nobody.gid);
      // It may be refused, and it may do without what the link leads to.
      await startEmbedded({ dataDir }).then((server) => server.stop(), (error) => {
        assert(error instanceof Error);
      });
      await file.isAsItWas();
      await removeData(dataDir);
      await file.isAsItWas();
    }));
  },
});

Deno.test({
  name: name(
    "a link for PGDATA that is not root's own leads to nothing being given away or removed",
  ),
  ignore,
  async fn() {
    await using folder = await temporaryFolder("slate-links-");
    await Deno.chmod(folder.path, 0o700);
    const other = join(folder.path, "other");
    await Deno.mkdir(other, { mode: 0o700 });
    const file = await precious(other);
    const dataDir = join(folder.path, "data");
    await Deno.symlink(join(other, "postgres"), join(dataDir, "postgres"));
    await Deno.chown(dataDir, nobody.uid, nobody.gid);
    await assertRejects(() => startEmbedded({ dataDir }));
    await removeData(dataDir);
    const { uid, mode } = await Deno.stat(other);
    assertEquals([uid, mode! & 0o777], [0, 0o700]);
    await file.isAsItWas();
  },
});

Deno.test({
  name: name(
    "a folder that root once gave away with all that is in it is taken back, without its links",
  ),
  ignore,
  async fn() {
    await using folder = await temporaryFolder("slate-root-");
    await Deno.chmod(folder.path, 0o755);
    const file = await precious(folder.path);
    const dataDir = join(folder.path, "data");
    const first = await startEmbedded({ dataDir });
    await note(first.settings, "kept");
    await first.stop();
    await Deno.chown(dataDir, nobody.uid, nobody.gid);
    await Deno.remove(join(dataDir, "port"));
    await Deno.symlink(file.path, join(dataDir, "port"));
    const again = await startEmbedded({ dataDir });
    assertEquals(await notes(again.settings), ["kept"]);
    await again.stop();
    assertEquals((await Deno.lstat(dataDir)).uid, 0);
    await file.isAsItWas();
  },
});

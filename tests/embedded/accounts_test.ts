/**
 * Who may run the embedded server, and from where. The tests that change the account need root, and
 * `nobody`, the one ordinary account that every system has.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { dirname, join } from "node:path";
import { EmbeddedError, startEmbedded } from "../../embedded/mod.ts";
import { serverAccount } from "../../embedded/account.ts";
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
    const { uid, mode } = await Deno.stat(home);
    assertEquals([uid, mode! & 0o777], [nobody.uid, 0o700]);
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

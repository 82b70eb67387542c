/** What servers begin from, where initdb has run before. */
import { assertEquals, assertRejects } from "@std/assert";
import { dirname } from "node:path";
import { homeOf, serverAccount } from "../../embedded/account.ts";
import { binaries } from "../../embedded/binaries.ts";
import { runningEmbedded } from "../../embedded/mod.ts";
import { freePort, supervise } from "../../embedded/server.ts";
import { begin, restoreTemplate, templateFolder } from "../../embedded/template.ts";
import { sql, Unreachable } from "../../postgres/mod.ts";
import { connectPatiently } from "../support/database.ts";
import { temporaryFolder } from "../support/owner.ts";

Deno.test("embedded: the first ephemeral server leaves a template, private and complete, from which others begin; those that last with a password of their own", async () => {
  await using folder = await temporaryFolder("slate-embedded-");
  await Deno.chmod(folder.path, 0o711);
  // The same programs by a path of the test's own, beside which there is no template.
  const first = await prepare(folder.path, "first");
  const bin = await binaries(first.dataDir, first.server.account);
  await Deno.symlink(dirname(bin), `${folder.path}/programs`);
  const template = templateFolder(first.server);
  await Deno.mkdir(`${template}.unfinished/of somebody who was killed`, { recursive: true });
  await first.keepPassword("secret");
  await begin(first.server, first.dataDir, "secret");
  assertEquals((await Deno.stat(template)).mode! & 0o777, 0o700);
  assertEquals(Array.from(Deno.readDirSync(template), ({ name }) => name).sort(), [
    "pgpass",
    "postgres",
  ]);

  const second = await prepare(folder.path, "second");
  await restoreTemplate(second.server, second.dataDir);
  const initdb = await look(second);

  const lasting = await prepare(folder.path, "lasting", false);
  await lasting.keepPassword("own");
  await begin(lasting.server, lasting.dataDir, "own");
  assertEquals(await look(lasting), initdb);
  await lasting.keepPassword("secret");
  await assertRejects(() => look(lasting), Unreachable);
});

/** Which initdb made its data, told to whoever has the kept password. */
async function look({ dataDir, server }: Awaited<ReturnType<typeof prepare>>) {
  const stop = await supervise(server, freePort());
  const settings = (await runningEmbedded(dataDir))!;
  const db = connectPatiently({ ...settings, database: "postgres" }, { size: 1 });
  try {
    return await db.query(sql`
      select current_user::text as name, system_identifier from pg_control_system()`);
  } finally {
    await db.close();
    await stop();
  }
}

async function prepare(folder: string, name: string, ephemeral = true) {
  const dataDir = `${folder}/${name}`;
  await Deno.mkdir(dataDir, { mode: 0o700 });
  const account = await serverAccount(dataDir);
  const home = await homeOf(dataDir, account);
  const bin = `${folder}/programs/bin`;
  return {
    dataDir,
    keepPassword: (password: string) =>
      Deno.writeTextFile(`${dataDir}/pgpass`, `127.0.0.1:*:*:slate:${password}\n`),
    server: { bin, home, data: `${home}/postgres`, account, ephemeral },
  };
}

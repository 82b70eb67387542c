import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { startEmbedded } from "../../embedded/mod.ts";
import { freePort } from "../../embedded/server.ts";
import { temporaryFolder } from "../support/owner.ts";
import { freePort as portOfTests } from "../support/process.ts";

Deno.test("embedded: a port that is taken is replaced by a free one", async () => {
  await using folder = await temporaryFolder("slate-embedded-");
  const dataDir = `${folder.path}/data`;
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await Deno.writeTextFile(`${dataDir}/port`, `${listener.addr.port}\n`);
  const server = await startEmbedded({ dataDir });
  assertNotEquals(server.settings.port, listener.addr.port);
  assertEquals(await Deno.readTextFile(`${dataDir}/port`), `${server.settings.port}\n`);
  await server.stop();
});

Deno.test("embedded: of servers that start at once and find the same port free, each gets one", async () => {
  const port = freePort();
  const folders = await Promise.all([1, 2, 3].map(async () => {
    const folder = await temporaryFolder("slate-embedded-");
    await Deno.writeTextFile(`${folder.path}/data/port`, `${port}\n`);
    return folder;
  }));
  const servers = await Promise.all(
    folders.map(({ path }) => startEmbedded({ dataDir: `${path}/data` })),
  );
  assertEquals(new Set(servers.map(({ settings }) => settings.port)).size, 3);
  await Promise.all(servers.map((server) => server.stop()));
  for (const folder of folders) await folder[Symbol.asyncDispose]();
});

Deno.test("a free port is none that fetch refuses, and none that the kernel hands out", () => {
  const { random } = Math;
  let drawn = 0;
  Math.random = () => drawn++ / 100_000;
  try {
    // 10,080, the last one that is refused, was the four hundredth of these.
    for (let n = 0; n < 500; n++) assert(freePort() > 10_080);
    drawn = 99_900;
    const last = freePort();
    assert(last < 32_768);
    // An embedded server that starts beside a test takes none that a test was told.
    drawn = 0;
    assert(portOfTests() > last);
    drawn = 99_000;
    assert(portOfTests() < 32_768);
  } finally {
    Math.random = random;
  }
});

/** What the process that serves may do, and what it does. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { databaseUrl } from "../../postgres/settings.ts";
import { createDatabase } from "../support/database.ts";
import { run } from "./buildah.ts";
import type { Check } from "./catalogue.ts";
import { accountOf, type Container, startContainer } from "./container.ts";

/** Each of these must be refused by the flags of the process that serves. */
const forbidden = `
  const attempts = {
    net: () => Deno.connect({ hostname: "127.0.0.1", port: 1 }),
    listen: () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
    resolve: () => Deno.resolveDns("example.com", "A"),
    env: () => Deno.env.get("MIGRATION_DATABASE_URL"),
    environment: () => Deno.env.toObject(),
    read: () => Deno.readTextFile("/app/main.ts"),
    process: () => Deno.readTextFile("/proc/self/environ"),
    write: () => Deno.writeTextFile("/tmp/x", ""),
    run: () => new Deno.Command("sh").spawn(),
    sys: () => Deno.hostname(),
    ffi: () => Deno.dlopen("libc.so.6", {}),
    import: () => import("https://example.com/x.js"),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    try {
      await attempt();
      console.log(name, "was allowed");
    } catch (error) {
      console.log(name, /NotCapable|Requires \\S+ access/.test(String(error)) ? "refused" : String(error));
    }
  }`;

/** The words of process 1's command line, or its environment. */
async function words(container: Container, name: string): Promise<string[]> {
  return (await Deno.readTextFile(`/proc/${await container.pid()}/${name}`)).split("\0");
}

/** A round of what the app answers from files, from the database and from its packages. */
async function visit(container: Container) {
  const statuses = { "/api/health/ready": 200, "/api/docs": 200, "/api/openapi.json": 200 };
  for (const [path, status] of Object.entries({ ...statuses, "/api/me": 401 })) {
    assertEquals(await container.status(path), status, path);
  }
}

export const rights: Check[] = [
  {
    name: "account",
    async run({ image }) {
      await using database = await createDatabase({ empty: true });
      await using container = await startContainer(image, database);
      await container.answers("/api/health/ready");
      const text = await Deno.readTextFile(`/proc/${await container.pid()}/status`);
      const status = (name: string) =>
        new RegExp(`^${name}:(.*)$`, "m").exec(text)![1]!.trim().split(/\s+/);
      const account = await accountOf(image);
      const uid = String(account);
      assertEquals(status("Uid"), [uid, uid, uid, uid]);
      assertEquals(status("Groups"), [""]);
      for (const kind of ["CapPrm", "CapEff", "CapAmb"]) {
        assertMatch(status(kind)[0]!, /^0+$/, kind);
      }
      assertEquals(status("NSpid")[1], "1");
      const [rss] = status("VmRSS");
      return `Deno is process 1 as ${account}, of no other group, without a capability, ${
        Math.round(Number(rss) / 1024)
      } MiB at rest`;
    },
  },
  {
    name: "permissions",
    async run({ image }) {
      await using database = await createDatabase({ empty: true });
      const env = { MIGRATION_DATABASE_URL: databaseUrl(database.settings) };
      await using container = await startContainer(image, { ...database, env });
      await container.answers("/api/health/ready");
      await visit(container);
      const flags = (await words(container, "cmdline")).filter((word) =>
        /^-(-allow|A$)/.test(word)
      );
      const { host, port } = database.settings;
      assertEquals(
        flags.map((flag) => flag.replace(/^(--allow-env)=.*/, "$1")),
        [
          `--allow-net=127.0.0.1:${container.env.PORT},${host}:${port}`,
          "--allow-env",
          "--allow-read=/app/db/migrations",
        ],
      );
      const names = flags[1]!.replace("--allow-env=", "").split(",");
      assert(!names.some((name) => /^MIGRATION|\*/.test(name)));
      assertEquals((await words(container, "environ")).filter((word) => /^MIGR/.test(word)), []);
      const input = forbidden;
      const args = ["deno", "run", "--no-prompt", "--no-config", ...flags, "-"];
      const { output } = await container.exec(args, { input });
      const answers = output.trim().split("\n");
      assertEquals(answers.filter((line) => !line.endsWith(" refused")), []);
      return `${flags[0]} ${
        flags[2]
      } --allow-env=(${names.length} names)\n${answers.length} other attempts are refused, and the migrator's URL is gone`;
    },
  },
  {
    name: "read-only files",
    async run({ image }) {
      await using database = await createDatabase({ empty: true });
      await using container = await startContainer(image, database);
      await container.answers("/api/health/ready");
      await visit(container);
      const { output } = await container.exec(["touch", "/app/x"], { uid: 0 });
      assertMatch(output, /Read-only file system/);
      const left = Array.from(Deno.readDirSync(await container.path("/tmp")), ({ name }) => name);
      assertEquals(left, []);
      return "it migrates and serves from a root that root cannot write; it leaves nothing in /tmp";
    },
  },
  {
    name: "writes",
    async run({ image }) {
      const marker = await Deno.makeTempFile();
      await using database = await createDatabase({ empty: true });
      await using container = await startContainer(image, { ...database, writable: true });
      await container.answers("/api/health/ready");
      await visit(container);
      await container.exec(image.config.Healthcheck.Test.slice(1));
      await container.kill("SIGTERM");
      assertEquals((await container.ended).code, 0);
      const changed = await run("find", [
        image.files,
        "-xdev",
        "-newer",
        marker,
        "-not",
        "-type",
        "d",
      ]);
      await Deno.remove(marker);
      assertEquals(changed, "");
      return "from a root that may be written, a whole life changes no file of it";
    },
  },
];

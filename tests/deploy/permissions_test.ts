/** The flags of the process that serves in a container. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { databaseUrl } from "../../postgres/settings.ts";
import { root } from "../support/root.ts";
import { names, readSettings } from "../../settings.ts";
import { createDatabase } from "../support/database.ts";
import { statusOf } from "../support/entrypoint.ts";
import { freePort, patience, startProcess } from "../support/process.ts";
import { openProxy } from "../support/proxy.ts";

async function permissions(env: Record<string, string>) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-env", "--allow-read", "permissions.ts"],
    cwd: root,
    clearEnv: true,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, flags: decode(stdout).trimEnd().split("\n"), said: decode(stderr) };
}

const env = `--allow-env=${names.join()}`;
const migrations = `${root}/db/migrations`;

Deno.test("permissions: the listener, the databases, the names of the settings, the migrations to compare with", async () => {
  const { flags } = await permissions({
    DATABASE_URL: "postgres://app:s3cret@db.example.com/slate",
    MIGRATION_DATABASE_URL: "postgres://owner:s3cret@direct.example.com/slate",
    DATABASE_REPLICA_URL: "postgres://app:s3cret@[fd00::1]:6432/slate",
    HOST: "::",
  });
  const net = "--allow-net=[::]:8000,db.example.com:5432,[fd00::1]:6432";
  assertEquals(flags, [net, env, `--allow-read=${migrations}`]);
});

Deno.test("permissions: a Unix socket may be read and written, a password file and a certificate read", async () => {
  const folder = await Deno.makeTempDir({ prefix: "slate, files " });
  try {
    const certificate = `${folder}/root.crt`;
    await Deno.writeTextFile(certificate, "-----BEGIN CERTIFICATE-----");
    await Deno.writeTextFile(`${folder}/pgpass`, "");
    const written = folder.replaceAll(",", ",,");
    const { flags } = await permissions({
      PGHOST: "/run/postgresql",
      PGUSER: "app",
      PGDATABASE: "slate",
      PGPASSFILE: `${folder}/pgpass`,
      PGSSLROOTCERT: certificate,
    });
    const socket = "/run/postgresql/.s.PGSQL.5432";
    assertEquals(flags, [
      `--allow-net=127.0.0.1:8000,unix:${socket}`,
      env,
      `--allow-read=${migrations},${written}/pgpass,${written}/root.crt,${socket}`,
      `--allow-write=${socket}`,
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("permissions: wrong settings are all named, and nothing is permitted", async () => {
  const { code, flags, said } = await permissions({ PORT: "http", SLATE_COLOUR: "red" });
  assertEquals([code, flags], [1, [""]]);
  for (const name of ["DATABASE_URL is missing", "PORT", "SLATE_COLOUR"]) {
    assertStringIncludes(said, name);
  }
});

Deno.test("permissions: every name that the settings are read from is among the permitted ones", () => {
  const read = new Set<string>();
  const recording = (values: Record<string, string>) =>
    new Proxy(values, {
      get(target, name: string) {
        read.add(name);
        return target[name];
      },
    });
  const url = "postgres://app@db.example.com/slate";
  readSettings(recording({ DATABASE_URL: url, DATABASE_REPLICA_URL: url.replace("db", "other") }));
  readSettings(recording({ PGHOST: "db.example.com", PGUSER: "app", PGDATABASE: "slate" }));
  assertEquals([...read].filter((name) => !names.includes(name)), []);
  for (const name of read) assertMatch(name, /^[A-Z_]+$/);
});

Deno.test({
  name: "permissions: main.ts needs no more, by a host's name, by a Unix socket, and traced",
  ignore: Deno.build.os === "windows",
  async fn() {
    let spans = 0;
    await using collector = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      async (request) => {
        const { resourceSpans = [] } = await request.json();
        spans += resourceSpans.length;
        return Response.json({});
      },
    );
    const folder = await Deno.makeTempDir();
    await using database = await createDatabase();
    await using socket = openProxy(database.settings, folder);
    await using proxy = openProxy(database.settings);
    for (const settings of [{ ...proxy.settings, host: "localhost" }, socket.settings]) {
      const port = freePort();
      const env = {
        ...patience,
        DATABASE_URL: databaseUrl(settings),
        PORT: String(port),
        OTEL_DENO: "true",
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
      };
      const { flags } = await permissions(env);
      {
        await using child = startProcess(["run", "--no-prompt", ...flags, "main.ts"], env);
        await child.says(/"listening"/);
        for (const path of ["health/ready", "docs", "openapi.json"]) {
          assertEquals(await statusOf(`http://127.0.0.1:${port}/api/${path}`), 200, path);
        }
      }
      assert(spans > 0, "no trace was sent");
      spans = 0;
    }
    await Deno.remove(folder, { recursive: true });
  },
});

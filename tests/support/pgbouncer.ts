import { testServer } from "./database.ts";
import { until } from "./pool.ts";
import { freePort } from "./process.ts";

/** PGBOUNCER names another one than the system's; a machine without any skips what needs it. */
export const pgbouncer = [
  Deno.env.get("PGBOUNCER") ?? "",
  // Where Debian's package puts it.
  "/usr/sbin/pgbouncer",
  "/usr/bin/pgbouncer",
  "/opt/homebrew/bin/pgbouncer",
]
  .find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });

/**
 * A PgBouncer in front of every database of the tests' server. In transaction mode it has three
 * server connections for each: fewer than the app's pool has.
 */
export async function startPgbouncer(
  port = freePort(),
  mode: "transaction" | "session" = "transaction",
  { mostClients = 500, servers = mode === "session" ? 20 : 3 } = {},
) {
  const server = testServer();
  const folder = await Deno.makeTempDir({ prefix: "slate-pgbouncer-" });
  const quoted = (text = "") => `"${text.replaceAll('"', '""')}"`;
  await Deno.writeTextFile(
    `${folder}/users`,
    `"slate_app" ${quoted(Deno.env.get("TEST_APP_PASSWORD"))}\n` +
      `${quoted(server.user)} ${quoted(server.password)}\n`,
  );
  await Deno.writeTextFile(
    `${folder}/pgbouncer.ini`,
    `[databases]
* = host=${server.host} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${folder}/users
pool_mode = ${mode}
default_pool_size = ${servers}
max_client_conn = ${mostClients}
client_login_timeout = 0
`,
  );
  const { stdout } = await new Deno.Command(pgbouncer!, { args: ["--version"] }).output();
  const version = /(\d+)\.(\d+)/.exec(new TextDecoder().decode(stdout))!;
  // It refuses to be root.
  const account = Deno.uid() === 0 ? { uid: 65534, gid: 65534 } : {};
  if (Deno.uid() === 0) {
    for (const path of [folder, `${folder}/users`]) await Deno.chown(path, 65534, 65534);
  }
  const child = new Deno.Command(pgbouncer!, {
    args: [`${folder}/pgbouncer.ini`],
    cwd: folder,
    ...account,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log = new Response(child.stderr).text();
  let over = false;
  child.status.then(() => over = true);
  await until(async () => {
    if (over) throw new Error(`PgBouncer ended:\n${await log}`);
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch {
      return false;
    }
  });
  return {
    port,
    /** Whether it forgets prepared statements, as they all did before 1.21. */
    forgets: Number(version[1]) === 1 && Number(version[2]) < 21,
    /** Stops it, at once by SIGKILL; resolves to what it logged. */
    async stop(signal: Deno.Signal = "SIGINT"): Promise<string> {
      child.kill(signal);
      await child.status;
      await Deno.remove(folder, { recursive: true });
      return await log;
    },
  };
}

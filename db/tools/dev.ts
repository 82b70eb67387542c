/**
 * `deno task dev`: everything that it takes to try Slate on this machine. Without DATABASE_URL it
 * starts the embedded PostgreSQL, applies the migrations, puts in demo data, lets requests in
 * without a key, and serves; the app restarts when a file changes. With DATABASE_URL it uses that
 * database as it is.
 */
import { defaultDataDir, EmbeddedError, startEmbedded } from "../embedded.ts";
import { installKey } from "../keys.ts";
import { connect, sql } from "../mod.ts";
import { type DatabaseSettings, databaseUrl } from "../settings.ts";
import { formatKey, newSecret } from "../_secret.ts";
import { migrate, root } from "./dbmate.ts";
import { demoEmail, seed } from "./seed.ts";
import { environment, namesEmbedded } from "./target.ts";

const env = environment();
const host = env.HOST || "127.0.0.1";
const port = env.PORT || "8000";

/** The key of requests without one: of the demo user, made anew at every start, so none lies about. */
async function prepare(settings: DatabaseSettings, slateEnv: string): Promise<string> {
  await migrate(settings);
  const db = connect(settings, { size: 1 });
  try {
    await seed(db);
    const name = "deno task dev";
    await db.query(sql`delete from keys where name = ${name}`);
    const { secret, hash } = newSecret();
    const [row] = await installKey(db, { email: demoEmail, scope: "admin", name, hash });
    return formatKey(slateEnv, row!.id, secret);
  } finally {
    await db.close();
  }
}

/** Runs the app until it ends or we are told to stop. Returns its exit code. */
async function serve(settings: Record<string, string>): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-net",
      "--allow-env",
      "--allow-read",
      "--watch",
      "--no-clear-screen",
      "main.ts",
    ],
    cwd: root,
    env: settings,
    stdin: "null",
  }).spawn();
  // A terminal's Ctrl-C reaches the child as well; kill reaches only us. The watcher survives the
  // SIGTERM that ends the app inside it, so it is told by SIGINT.
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    child.kill("SIGINT");
    Deno.unrefTimer(setTimeout(() => child.kill("SIGKILL"), 5000));
  };
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener("SIGTERM", stop);
  const { code } = await child.status;
  return stopping ? 0 : code;
}

function announce(where: string) {
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  console.log(`Slate runs on ${where}. Open ${url}/api/docs or try:

  curl ${url}/api/todos
`);
}

try {
  if (!namesEmbedded(env)) {
    Deno.exit(await serve({}));
  }
  const dataDir = defaultDataDir();
  const server = await startEmbedded({ dataDir, owner: `deno task dev, http://${host}:${port}` });
  let code = 1;
  try {
    const slateEnv = env.SLATE_ENV || "dev";
    const key = await prepare(server.settings, slateEnv);
    announce(`its own PostgreSQL, whose data is in ${dataDir}`);
    code = await serve({
      DATABASE_URL: databaseUrl(server.settings),
      SLATE_DEV_KEY: key,
      SLATE_ENV: slateEnv,
    });
  } finally {
    await server.stop();
  }
  Deno.exit(code);
} catch (error) {
  if (!(error instanceof EmbeddedError)) throw error;
  console.error(error.message);
  Deno.exit(1);
}

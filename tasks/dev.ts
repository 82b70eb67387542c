/**
 * `deno task dev`: everything that it takes to try Slate on this machine. Without DATABASE_URL it
 * starts the embedded PostgreSQL, applies the migrations, puts in demo data, lets requests in
 * without a key, and serves; the app restarts when a file changes. With DATABASE_URL it uses that
 * database as it is.
 */
import { spawnWatched, whenTaskIsGone } from "../embedded/watchdog.ts";
import { EmbeddedError, startEmbedded } from "../embedded/mod.ts";
import { installKey } from "../db/keys.ts";
import { connect, sql } from "../postgres/mod.ts";
import { type DatabaseSettings, databaseUrl, isLocal } from "../postgres/settings.ts";
import { formatKey, newSecret } from "../db/_secret.ts";
import { root } from "./root.ts";
import { devKeyName } from "./dev_key.ts";
import { development, environment, meantEmbedded } from "./environment.ts";
import { startProgress } from "./progress.ts";
import { demoEmail, seed } from "./seed.ts";

const env = environment();
const host = env.HOST || "127.0.0.1";
const port = env.PORT || "8000";
const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
const progress = startProgress(["PostgreSQL", "migrations", "demo data"]);

/** The key of requests without one: of the demo user, made anew at every start, so none lies about. */
async function prepare(settings: DatabaseSettings, slateEnv: string): Promise<string> {
  const database = connect(settings, { size: 1 });
  try {
    await seed(database);
    const name = devKeyName;
    await database.query(sql`delete from keys where name = ${name}`);
    const { secret, hash } = newSecret();
    const [row] = await installKey(database, { email: demoEmail, scope: "admin", name, hash });
    return formatKey(slateEnv, { ownerId: row!.owner_id, id: row!.id, secret });
  } finally {
    await database.close();
  }
}

/** Runs the app until it ends or a signal stops us. Returns its exit code. */
async function serve(settings: Record<string, string>, greeting: string): Promise<number> {
  const permissions = ["--allow-net", "--allow-env", "--allow-read"];
  const args = ["run", ...permissions, "--watch", "--no-clear-screen", "main.ts"];
  const options = { cwd: root, env: settings, stdout: "piped" as const, graceMs: 5000 };
  const child = spawnWatched(Deno.execPath(), args, options);
  // A terminal's Ctrl-C reaches the child as well; kill reaches only us. The watcher survives the
  // SIGTERM that ends the app inside it, so it gets SIGINT.
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    child.kill("SIGINT");
    Deno.unrefTimer(setTimeout(() => child.kill("SIGKILL"), 5000));
  };
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener("SIGTERM", stop);
  whenTaskIsGone(stop);
  const [{ code }] = await Promise.all([child.status, passOn(child.stdout, greeting)]);
  return stopping ? 0 : code;
}

/**
 * Shows the app's log, and the greeting once the app says that it listens: somebody else may answer
 * on its port.
 */
async function passOn(log: ReadableStream<Uint8Array>, greeting: string) {
  const out = Deno.stdout.writable.getWriter();
  const decoder = new TextDecoder();
  let said = "";
  let greeted = false;
  for await (const chunk of log) {
    await out.write(chunk);
    if (greeted) continue;
    said += decoder.decode(chunk, { stream: true });
    greeted = said.includes('"msg":"listening"');
    if (greeted) console.log(`\n${greeting}\n`);
  }
}

const ofEmbedded = (dataDir: string) =>
  `Slate runs on its own PostgreSQL, whose data is in ${dataDir}.

  ${url}           its todos and students
  ${url}/api/docs  the API, to read and to try

No key is needed on this machine: you are ${demoEmail}. Or try:

  curl ${url}/api/todos

Ctrl-C stops all of it; the data stays.`;

const ofAnother = `Slate runs on the database that the environment names.

  ${url}/api/docs          the API, to read and to try
  ${url}/api/health/ready  whether the database has what it needs

A key is needed, as in production. This makes one:

  deno task key create --email you@example.com --scope admin

Ctrl-C stops it.`;

/** Applies what is pending. Returns the exit code. */
async function migrate(settings: DatabaseSettings): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "db", "up"],
    cwd: root,
    // The project is this one, wherever we were called from.
    env: { INIT_CWD: root, DATABASE_URL: databaseUrl(settings) },
    stdin: "null",
    stdout: "piped",
    // Its own line of progress would be written over ours.
    stderr: "piped",
  });
  const child = command.spawn();
  const errors = new Response(child.stderr).text();
  const total = [...Deno.readDirSync(`${root}/db/migrations`)].length;
  let done = 0;
  progress.at("migrations", done, total);
  const said = child.stdout.pipeThrough(new TextDecoderStream() as never) as ReadableStream<string>;
  for await (const text of said) {
    if (!Deno.stderr.isTerminal()) console.log(text.trimEnd());
    done += text.match(/^applied /gm)?.length ?? 0;
    progress.at("migrations", done, total);
  }
  const { code } = await child.status;
  if (code !== 0) progress.end();
  const text = (await errors).trimEnd();
  if (text && (code !== 0 || !Deno.stderr.isTerminal())) console.error(text);
  return code;
}

/** The embedded server around it all. Returns the exit code. */
async function serveEmbedded(database: string): Promise<number> {
  if (!isLocal(host)) {
    console.error(
      `HOST is "${host}", where others could call without a key: unset it, or name a database of your own by DATABASE_URL, and a key is needed`,
    );
    return 1;
  }
  const { dataDir } = development(env);
  progress.at("PostgreSQL");
  const server = await startEmbedded({ dataDir, owner: `deno task dev, ${url}` });
  try {
    const settings = { ...server.settings, database };
    // It says what is wrong where it refuses.
    const code = await migrate(settings);
    if (code !== 0) return code;
    const slateEnv = env.SLATE_ENV || "dev";
    progress.at("demo data");
    const key = await prepare(settings, slateEnv);
    progress.end();
    return await serve({
      DATABASE_URL: databaseUrl(settings),
      SLATE_DEV_KEY: key,
      SLATE_ENV: slateEnv,
    }, ofEmbedded(dataDir));
  } finally {
    await server.stop();
  }
}

try {
  const database = meantEmbedded(env);
  Deno.exit(database === undefined ? await serve({}, ofAnother) : await serveEmbedded(database));
} catch (error) {
  if (!(error instanceof EmbeddedError)) throw error;
  progress.end();
  console.error(error.message);
  Deno.exit(1);
}

/**
 * `deno task test`: one server for the whole run, a migrated template in it, every module in
 * parallel, and `N passed, N failed` as the last line. TEST_DATABASE_URL names another server,
 * whose role must be allowed to create databases and roles; one of a Citus cluster's coordinator has
 * the tests on all of its nodes. Modules that start servers of their own, or use none, are left out
 * there, unless they are named. Further arguments go to `deno test`.
 * Types are not checked here: that takes longer than most of the tests, and `deno task check` does.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { migrate } from "../migrate/apply/dbmate.ts";
import { dbFlag } from "./support/command.ts";
import { serveCommands } from "./support/command_hosts.ts";
import { root, testLock } from "./support/root.ts";
import { spawnWatched, temporaryFolder, whenTaskIsGone } from "../embedded/watchdog.ts";
import { startEmbedded } from "../embedded/mod.ts";
import { type DatabaseSettings, databaseUrl, readDatabaseSettings } from "../postgres/settings.ts";
import { joinNodes, spread, workersOf } from "./support/citus.ts";
import { administer, connectPatiently, template } from "./support/database.ts";
import { withoutServer, withOwnServer } from "./support/other_server.ts";

/** The application's role gets a password that only this run knows. */
const appPassword = crypto.randomUUID();

/** The longest modules first, so that no core waits for one of them at the end. */
const longestFirst = [
  "tests/docs/tutorial_test.ts",
  "tests/docs",
  "migrate/tests",
  "tests/deploy",
  "tests/embedded",
];
/**
 * Modules of these rooms share isolates, up to four in each: an isolate compiles the API, or the
 * command, and warms it up anew, which was half of what those of tests/api cost.
 */
const sharing = ["tests/api/", "migrate/tests/"];
/** Most of the tests wait for a process or a server half of their time. */
const jobs = 2 * navigator.hardwareConcurrency;

/** Programs that a person may name for the tests. */
const programs = ["PGBOUNCER", "DBMATE_BIN"];

const given = Deno.env.get("TEST_DATABASE_URL");
// Whoever is killed in the middle of a test leaves what it has there.
const temporary = await temporaryFolder("slate-test-");
const folder = temporary.path;
await Deno.chmod(folder, 0o711);
const embedded = given ? undefined : await startEmbedded({ small: true });
const server = embedded?.settings ?? settingsOf(given!);
const workers = given ? await workersOf(server) : [];
const nodes = [server, ...workers];
/** Where no such socket can be, each command is a process of its own. */
const socket = canHaveSocket(`${folder}/commands`) ? `${folder}/commands` : "";
const commands = socket ? serveCommands(socket) : undefined;
let code = 1;
try {
  await dropTemplate();
  for (const node of nodes) {
    await administer(node, `create database ${template} template template0`);
  }
  if (workers.length > 0) await joinNodes(nodes, template);
  await migrate({ ...server, database: template });
  await createRoles();
  await grant();
  // Few shards are quick to copy. It comes last, for it sees to it that nobody is connected.
  if (workers.length > 0) await spread(nodes, template, 4);
  code = await run(server);
} finally {
  await commands?.[Symbol.asyncDispose]();
  await dropTemplate();
  await embedded?.stop();
  await temporary[Symbol.asyncDispose]();
}
Deno.exit(code);

function settingsOf(url: string): DatabaseSettings {
  const { settings, faults } = readDatabaseSettings({ DATABASE_URL: url });
  if (settings) return settings;
  console.error(faults.join("\n").replaceAll("DATABASE_URL", "TEST_DATABASE_URL"));
  Deno.exit(2);
}

/** Windows has none; the address of one may have 104 bytes on macOS and 108 on Linux, its end counted. */
function canHaveSocket(path: string): boolean {
  return Deno.build.os !== "windows" && new TextEncoder().encode(path).length < 104;
}

/** Roles belong to the whole server, so they are made once, before tests run side by side. */
async function createRoles() {
  const roles = await Deno.readTextFile(`${root}/db/roles.sql`);
  for (const node of nodes) {
    await administer(node, roles);
    await administer(node, `alter role slate_app password '${appPassword}'`);
  }
}

/** On a connection that does not stay: nobody may be connected to a template that is copied. */
async function grant() {
  const db = connectPatiently({ ...server, database: template }, { size: 1 });
  await db.script(await Deno.readTextFile(`${root}/db/grants.sql`));
  await db.close();
}

async function dropTemplate() {
  for (const node of nodes) {
    await administer(node, `drop database if exists ${template} with (force)`);
  }
}

/**
 * The files to run instead of these modules, one for each isolate. They lie in one folder, for only
 * there `deno test` keeps their order: else it begins with the folder whose path is longest.
 */
function isolates(modules: string[]): Promise<string[]> {
  const counts = new Map<string, number>();
  const groups = Map.groupBy(modules, (path) => {
    const room = sharing.find((room) => path.startsWith(room));
    if (!room) return path;
    const count = counts.get(room) ?? 0;
    counts.set(room, count + 1);
    return `${room}${1 + Math.floor(count / 4)}_test.ts`;
  });
  return Promise.all(Array.from(groups, async ([name, members]) => {
    const path = `${folder}/${name.replaceAll("/", "_")}`;
    const imports = members.map((module) => pathToFileURL(`${root}/${module}`))
      .map((url) => `import ${JSON.stringify(url)};\n`);
    await Deno.writeTextFile(path, imports.join(""));
    return path;
  }));
}

/**
 * A test that types what a person types must not find the database that this person works on, nor
 * the folder that this person stands in, nor a password or a setting meant for either.
 */
function withoutDatabase(env: Record<string, string>): Record<string, string> {
  const isOwn = (name: string) =>
    /^(PG|SLATE_|DBMATE_|(MIGRATION_)?DATABASE_URL$|INIT_CWD$)/.test(name);
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => programs.includes(name) || !isOwn(name)),
  );
}

/** Every module of tests; on another server than the embedded one those that use it. */
function modules(): string[] {
  const found = ["tests", "migrate/tests"].flatMap((folder) => modulesIn(folder));
  const others = [...withOwnServer, ...withoutServer];
  const isOther = (path: string) => others.some((other) => path.startsWith(other));
  const rank = (path: string) => {
    const place = longestFirst.findIndex((folder) => path.startsWith(folder));
    return place < 0 ? longestFirst.length : place;
  };
  return found.filter((path) => !given || !isOther(path)).sort((a, b) => rank(a) - rank(b));
}

function modulesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(`${root}/${folder}`)).flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return modulesIn(path);
    return name.endsWith("_test.ts") ? [path] : [];
  }).sort();
}

/** Takes `--junit-path=F`, or `--junit-path F`, out of the arguments: the sum is told from the report. */
function takeReport(args: string[]): string | undefined {
  const at = args.findIndex((arg) => /^--junit-path(=|$)/.test(arg));
  if (at < 0) return undefined;
  const [, path] = args.splice(at, 1)[0]!.split(/=(.*)/s);
  return path ?? args.splice(at, 1)[0];
}

async function run(server: DatabaseSettings): Promise<number> {
  const report = `${folder}/report.xml`;
  const args = [...Deno.args];
  const wanted = takeReport(args);
  const named = args.filter((arg) => arg.endsWith("_test.ts"));
  const rest = args.filter((arg) => !named.includes(arg));
  const isChoice = named.length > 0 || rest.some((arg) => !arg.startsWith("-"));
  const chosen = isChoice ? named : modules();
  // Of a few, what is told begins with the name of the module.
  const which = chosen.length > 4 ? await isolates(chosen) : chosen;
  const options = [dbFlag, "--allow-all", "--no-check", "--parallel", `--junit-path=${report}`];
  // deno.jsr.json is to be resolved anew.
  if (!args.includes("--config")) options.push(testLock);
  const child = spawnWatched(Deno.execPath(), ["test", ...options, ...rest, ...which], {
    cwd: root,
    clearEnv: true,
    env: {
      DENO_JOBS: `${jobs}`,
      TMPDIR: folder,
      ...withoutDatabase(Deno.env.toObject()),
      TEST_FOLDER: folder,
      TEST_COMMANDS: socket,
      TEST_SERVER: databaseUrl(server),
      TEST_WORKERS: workers.map(databaseUrl).join(" "),
      TEST_APP_PASSWORD: appPassword,
      SCRATCH_DATABASE_URL: databaseUrl(server),
    },
  });
  whenTaskIsGone(() => child.kill("SIGKILL"));
  const { code } = await child.status;
  // A module that does not even load leaves no report.
  const text = await Deno.readTextFile(report).catch(() => "");
  if (wanted) await Deno.writeTextFile(resolve(root, wanted), text);
  const cases = text.split("<testcase").slice(1);
  const skipped = cases.filter((text) => text.includes("<skipped")).length;
  const failed = cases.filter((text) => /<(failure|error)\b/.test(text)).length;
  const bad = Math.max(failed, code === 0 ? 0 : 1);
  console.log(`${cases.length - skipped - failed} passed, ${bad} failed`);
  return code;
}

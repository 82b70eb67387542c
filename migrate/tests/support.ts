import { join } from "node:path";
import { assertNotMatch } from "@std/assert";
import { removeFolder } from "../../tests/support/folder.ts";
import { type DatabaseSettings, databaseUrl } from "../../postgres/settings.ts";
import { createFolder, dbFlag, type Outcome, outcome, runDb } from "../../tests/support/command.ts";
import { root } from "../../tests/support/root.ts";
import { runDbmate } from "../../tests/support/command.ts";
import { readCatalog } from "../catalog/catalog.ts";
import type { Config } from "../config.ts";
import { type State, withSession } from "../draft/draft.ts";
import type { Scratch } from "../scratch.ts";

/** A project of somebody else: migrations in db/migrations, and what dbmate itself reads. */
export interface ForeignProject extends AsyncDisposable {
  path: string;
  write(file: string, text: string): Promise<void>;
  read(file: string): Promise<string>;
  /** Runs the command in it. */
  run(args: string[], env?: Record<string, string>): Promise<Outcome>;
  /** Runs dbmate alone in it. */
  dbmate(args: string[], settings: DatabaseSettings): Promise<Outcome>;
}

/** Makes one. `config` becomes its migrate.config.json. */
export async function createForeign(
  migrations: Record<string, string>,
  config?: Config,
): Promise<ForeignProject> {
  const path = await Deno.makeTempDir({ prefix: "migrate-project-" });
  await Deno.mkdir(join(path, "db", "migrations"), { recursive: true });
  const write = (file: string, text: string) => Deno.writeTextFile(join(path, file), text);
  for (const [file, text] of Object.entries(migrations)) {
    await write(join("db", "migrations", file), text);
  }
  if (config) await write("migrate.config.json", JSON.stringify(config));
  return {
    path,
    write,
    read: (file) => Deno.readTextFile(join(path, file)),
    async run(args, env = {}) {
      const command = new Deno.Command(Deno.execPath(), {
        args: ["run", dbFlag, "-A", "--config", join(root, "deno.json"), main, ...args],
        cwd: path,
        stdin: "null",
        env: { NO_COLOR: "1", HOME: path, DENO_DIR: denoDir, ...env },
      });
      return outcome(await command.output());
    },
    dbmate: (args, settings) => runDbmate(args, { settings, folder: join(path, "db") }),
    [Symbol.asyncDispose]: () => removeFolder(path),
  };
}

const main = join(root, "migrate", "main.ts");

/** Deno's own folder, which would be looked for in the project's home. */
export const denoDir: string = JSON.parse(
  outcome(
    await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output(),
  ).stdout,
).denoDir;

/** The environment that names a database. */
export function named(settings: DatabaseSettings): Record<string, string> {
  return { DATABASE_URL: databaseUrl(settings) };
}

/** The lines of findings and warnings, without the sum. */
export function findings({ stderr }: Outcome): string[] {
  return stderr.trim().split("\n").filter((line) => / \[[\w-]+\]; /.test(line));
}

/** Runs `diff` between two schemas. */
export async function difference(
  before: string,
  after: string,
  ...options: string[]
): Promise<Outcome> {
  await using folder = await createFolder({});
  await folder.write("before.sql", before);
  await folder.write("after.sql", after);
  const outcome = await runDb([
    "diff",
    "change",
    "--from",
    `${folder.path}/before.sql`,
    "--to",
    `${folder.path}/after.sql`,
    "--stdout",
    ...options,
  ], { folder: folder.path });
  assertNotMatch(outcome.stderr, /\n {4}at |Uncaught/, "no stack trace");
  return outcome;
}

/** A scratch database after the script, and its catalog. */
export async function stateOf(scratch: Scratch, script: string): Promise<State> {
  const settings = await scratch.create();
  const catalog = await withSession(settings, async (db) => {
    await db.script(script);
    return await readCatalog(db);
  });
  return { settings, catalog };
}

import { join } from "node:path";
import type { Database } from "../db/mod.ts";
import { type DatabaseSettings, databaseUrl } from "../db/settings.ts";
import { dbmateCommand, root } from "../db/tools/dbmate.ts";
import { createDatabase } from "./database.ts";

export interface Outcome {
  /** The exit code as a shell would tell it. */
  code: number;
  stdout: string;
  stderr: string;
}

/** A folder of migrations and an empty database of the test's own, with the two tools for them. */
export interface Project extends AsyncDisposable {
  dir: string;
  settings: DatabaseSettings;
  db: Database;
  /** What the command needs in its environment. */
  env: Record<string, string>;
  write(file: string, content: string | Uint8Array): Promise<string>;
  /** Runs `deno task db`. */
  run(...args: string[]): Promise<Outcome>;
  /** Starts it and leaves it running. */
  start(...args: string[]): Deno.ChildProcess;
  /** Runs dbmate alone. */
  dbmate(...args: string[]): Promise<Outcome>;
}

export async function createProject(
  files: Record<string, string | Uint8Array> = {},
): Promise<Project> {
  const database = await createDatabase({ empty: true });
  const dir = await Deno.makeTempDir({ prefix: "slate-test-migrations-" });
  const env = { DATABASE_URL: databaseUrl(database.settings), DBMATE_MIGRATIONS_DIR: dir };
  const write = async (file: string, content: string | Uint8Array) => {
    const path = join(dir, file);
    if (typeof content === "string") await Deno.writeTextFile(path, content);
    else await Deno.writeFile(path, content);
    return path;
  };
  for (const [file, content] of Object.entries(files)) await write(file, content);
  return {
    dir,
    settings: database.settings,
    db: database.db,
    env,
    write,
    run: async (...args) => outcome(await command(args, env).output()),
    start: (...args) => command(args, env).spawn(),
    dbmate: async (...args) =>
      outcome(await (await dbmateCommand(database.settings, args, { env })).output()),
    async [Symbol.asyncDispose]() {
      await Deno.remove(dir, { recursive: true });
      await database[Symbol.asyncDispose]();
    },
  };
}

/** `deno task db` as a process of its own, as people call it. */
export function command(args: string[], env: Record<string, string>): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", join(root, "db", "tools", "db.ts"), ...args],
    cwd: root,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

export function outcome({ code, stdout, stderr }: Deno.CommandOutput): Outcome {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** The text of a migration file. */
export function migration(up: string, down = "select 1;", option = ""): string {
  return `-- migrate:up${option}\n${up}\n\n-- migrate:down${option}\n${down}\n`;
}

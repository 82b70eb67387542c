import { join } from "node:path";
import { type DatabaseSettings, databaseUrl } from "../../postgres/settings.ts";
import { root } from "./root.ts";
import { removeFolder } from "./folder.ts";

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Surroundings {
  /** The database that the command works on; without one it would be the embedded one. */
  settings?: DatabaseSettings;
  /** The folder that holds migrations/ and schema.sql; by default the project's own. */
  folder?: string;
  env?: Record<string, string>;
}

/** What the task gives to Deno: the parser's WebAssembly is compiled in half the time, and runs a while. */
export const dbFlag = "--v8-flags=--liftoff-only";

/**
 * Runs `deno task db <args>` to its end: in a process that is warm, where the command and what it
 * stands in leave nothing there that the next one could find.
 */
export async function runDb(args: string[], surroundings: Surroundings = {}): Promise<Outcome> {
  const socket = Deno.env.get("TEST_COMMANDS");
  if (!socket || !isTidy(args, surroundings)) {
    return outcome(await dbCommand(args, surroundings).output());
  }
  const env = { ...Deno.env.toObject(), ...environment(surroundings) };
  const { askForCommand } = await import("./command_hosts.ts");
  return await askForCommand(socket, { args, env });
}

/**
 * Neither a variable that Deno might read at its start, nor an editor or psql on our streams, nor a
 * project whose configuration is loaded once for all, nor the embedded database, which that names.
 */
function isTidy([name, ...rest]: string[], { settings, env }: Surroundings): boolean {
  if (env || name === "console" || rest.some((arg) => /^--(root|edit)\b/.test(arg))) return false;
  return settings !== undefined || ["check", "diff", "schema"].includes(name ?? "");
}

/** `deno task db <args>` as a process of its own, as people call it. */
export function dbCommand(args: string[], surroundings: Surroundings = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", dbFlag, "--allow-all", join(root, "migrate", "main.ts"), ...args],
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: environment(surroundings),
  });
}

function environment({ settings, folder, env }: Surroundings): Record<string, string> {
  return {
    NO_COLOR: "1",
    ...settings && { DATABASE_URL: databaseUrl(settings) },
    ...folder &&
      {
        DBMATE_MIGRATIONS_DIR: join(folder, "migrations"),
        DBMATE_SCHEMA_FILE: join(folder, "schema.sql"),
        SLATE_DATA_DIR: join(folder, ".data"),
      },
    ...env,
  };
}

/** What a process that has ended said. */
export function outcome({ code, stdout, stderr }: Deno.CommandOutput): Outcome {
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

export interface Folder extends AsyncDisposable {
  path: string;
  write(name: string, content: string | Uint8Array): Promise<void>;
}

/** A folder with the given migrations, by file name, removed when it goes out of scope. */
export async function createFolder(
  migrations: Record<string, string | Uint8Array> = {},
): Promise<Folder> {
  const path = await Deno.makeTempDir({ prefix: "slate-migrations-" });
  await Deno.mkdir(join(path, "migrations"));
  const write = (name: string, content: string | Uint8Array) =>
    Deno.writeFile(
      join(path, name),
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
  for (const [name, text] of Object.entries(migrations)) {
    await write(join("migrations", name), text);
  }
  return {
    path,
    write,
    [Symbol.asyncDispose]: () => removeFolder(path),
  };
}

/** The text of a migration. */
export function migration(up: string, down = "select 1;", options = ""): string {
  return `-- migrate:up${options}\n${up}\n\n-- migrate:down${options}\n${down}\n`;
}

/** What dbmate alone says of a folder: `dbmate up` and the like, as typed by hand. */
export async function runDbmate(
  args: string[],
  { settings, folder }: { settings: DatabaseSettings; folder: string },
): Promise<Outcome> {
  const { dbmateCommand } = await import("../../migrate/apply/dbmate.ts");
  const command = await dbmateCommand(settings, args, {
    env: { DBMATE_MIGRATIONS_DIR: join(folder, "migrations") },
  });
  return outcome(await command.output());
}

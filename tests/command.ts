import { join } from "node:path";
import { type DatabaseSettings, databaseUrl } from "../db/settings.ts";
import { root } from "../db/tools/dbmate.ts";

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

/** Runs `deno task db <args>` to its end. */
export async function runDb(args: string[], surroundings: Surroundings = {}): Promise<Outcome> {
  const { settings, folder, env } = surroundings;
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", join(root, "db", "tools", "db.ts"), ...args],
    cwd: root,
    stdin: "null",
    env: {
      NO_COLOR: "1",
      ...settings && { DATABASE_URL: databaseUrl(settings) },
      ...folder &&
        {
          DBMATE_MIGRATIONS_DIR: join(folder, "migrations"),
          SLATE_DATA_DIR: join(folder, ".data"),
        },
      ...env,
    },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: decode(output.stdout), stderr: decode(output.stderr) };
}

export interface Folder extends AsyncDisposable {
  path: string;
  write(name: string, text: string): Promise<void>;
}

/** A folder with the given migrations, by file name, removed when it goes out of scope. */
export async function createFolder(migrations: Record<string, string> = {}): Promise<Folder> {
  const path = await Deno.makeTempDir({ prefix: "slate-migrations-" });
  await Deno.mkdir(join(path, "migrations"));
  const write = (name: string, text: string) => Deno.writeTextFile(join(path, name), text);
  for (const [name, text] of Object.entries(migrations)) {
    await write(join("migrations", name), text);
  }
  return {
    path,
    write,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** The text of a migration. */
export function migration(up: string, down: string, options = ""): string {
  return `-- migrate:up${options}\n${up}\n\n-- migrate:down${options}\n${down}\n`;
}

/** What dbmate alone says of a folder: `dbmate up` and its kin, as typed by hand. */
export async function runDbmate(
  args: string[],
  { settings, folder }: { settings: DatabaseSettings; folder: string },
): Promise<Outcome> {
  const { dbmateCommand } = await import("../db/tools/dbmate.ts");
  const command = await dbmateCommand(settings, args, {
    env: { DBMATE_MIGRATIONS_DIR: join(folder, "migrations") },
  });
  const output = await command.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: decode(output.stdout), stderr: decode(output.stderr) };
}

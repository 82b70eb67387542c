import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DatabaseSettings, databaseUrl } from "../../postgres/settings.ts";
import { npmPlatform } from "../platform.ts";
import { environment, project } from "../project.ts";

const version = "2.36.0";

/**
 * The dbmate executable: DBMATE_BIN where it is set (the container's), else the pinned one of the
 * platform's npm package, else whichever is on PATH. The package's own wrapper script is not used:
 * it exits 0 when dbmate is killed and leaves dbmate running when it is stopped itself.
 */
export async function dbmateBinary(): Promise<string> {
  const named = Deno.env.get("DBMATE_BIN");
  if (named) return named;
  const manifest = `npm:@dbmate/${npmPlatform()}@${version}/package.json`;
  try {
    await import(manifest, { with: { type: "json" } });
    const folder = dirname(fileURLToPath(import.meta.resolve(manifest)));
    return join(folder, "bin", Deno.build.os === "windows" ? "dbmate.exe" : "dbmate");
  } catch {
    return "dbmate";
  }
}

/**
 * A command that runs dbmate on our migrations. The URL, which holds the password, goes through the
 * environment, never through the arguments that every user of the machine can read.
 */
export async function dbmateCommand(
  settings: DatabaseSettings,
  args: string[],
  options: Deno.CommandOptions = {},
): Promise<Deno.Command> {
  return new Deno.Command(await dbmateBinary(), {
    args: ["--env-file", "", "--no-dump-schema", ...args],
    cwd: project.root,
    stdin: "null",
    ...options,
    env: {
      DBMATE_MIGRATIONS_DIR: join(project.root, "db", "migrations"),
      DBMATE_MIGRATIONS_TABLE: environment().DBMATE_MIGRATIONS_TABLE || "schema_migrations",
      // A lock that is not to be had soon must not stop every reader behind us.
      PGOPTIONS: "-c lock_timeout=5s",
      ...options.env,
      DATABASE_URL: databaseUrl(settings),
    },
  });
}

/** Applies what is pending. Throws an Error with what dbmate said when it did not exit with 0. */
export async function migrate(settings: DatabaseSettings, options?: Deno.CommandOptions) {
  const command = await dbmateCommand(settings, ["migrate"], options);
  let output: Deno.CommandOutput;
  try {
    output = await command.output();
  } catch (error) {
    throw new Error(
      `dbmate could not be started: install it, or set DBMATE_BIN (${(error as Error).message})`,
    );
  }
  if (output.success) return;
  const said = new TextDecoder().decode(output.stderr) + new TextDecoder().decode(output.stdout);
  throw new Error(`dbmate stopped${output.signal ? ` by ${output.signal}` : ""}: ${said.trim()}`);
}

import { dirname, join, relative, resolve } from "node:path";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Environment, EnvironmentError, readEnvironment } from "../postgres/environment.ts";
import { exit, Failure } from "./command.ts";
import type { Config } from "./config.ts";
import { configFiles, loadConfig } from "./config_file.ts";

/** The project whose migrations are meant. It is never known from where this code lies. */
export const project = {
  /** The folder that everything in it is relative to. */
  root: Deno.cwd(),
  /** How messages name the command. */
  command: calledAs(),
  config: {} as Config,
};

/**
 * Opens the project: the folder that is named, else the one that the command is run in, else, where
 * nothing in it says that it is one, the nearest above it in the same repository. Throws a Failure.
 */
export async function openProject(named?: string) {
  const root = named === undefined ? nearestProject(Deno.cwd()) : resolve(named);
  if (!existsSync(root)) throw new Failure(`--root ${named} is not there`, exit.usage);
  project.root = root;
  project.config = await loadConfig(root);
  project.command = project.config.command ?? project.command;
}

function nearestProject(start: string): string {
  // Whoever names the folder of the migrations here means the folder that they stand in.
  if (Deno.env.get("DBMATE_MIGRATIONS_DIR") || existsSync(join(start, ".env"))) return start;
  for (let folder = start;; folder = dirname(folder)) {
    const signs = [...Object.values(configFiles), join("db", "migrations")];
    if (signs.some((name) => existsSync(join(folder, name)))) return folder;
    if (existsSync(join(folder, ".git")) || dirname(folder) === folder) return start;
  }
}

/** The environment, filled from the project's .env. Throws a Failure where that cannot be read. */
export function environment(): Environment {
  try {
    const env = readEnvironment(project.root);
    return env.DATABASE_URL ? { ...env, DATABASE_URL: withoutDriver(env.DATABASE_URL) } : env;
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    throw new Failure(error.message, exit.usage);
  }
}

/** A URL as dbmate takes it, without what it says to dbmate's driver alone. */
function withoutDriver(text: string): string {
  const url = URL.parse(text);
  if (!url) return text;
  const driver = ["connect_timeout", "application_name", "fallback_application_name"];
  const named = [...driver, "binary_parameters"].filter((name) => url.searchParams.has(name));
  for (const name of named) url.searchParams.delete(name);
  return named.length > 0 ? url.href : text;
}

/** What dbmate makes of `?search_path=` in its URL. */
export function searchPathOfUrl(): string | undefined {
  const url = environment().DATABASE_URL;
  return (url && URL.parse(url)?.searchParams.get("search_path")) || undefined;
}

/** The schema of a name without one. */
export function homeSchema(): string {
  return schemasOfPath(searchPathOfUrl() ?? "public")[0] ?? "public";
}

/** The schemas of a search_path as the server reads it: `App, "b, C"` are app and `b, C`. */
export function schemasOfPath(path: string): string[] {
  return Array.from(
    path.matchAll(/"((?:[^"]|"")*)"|[^\s,]+/g),
    ([plain, quoted]) =>
      quoted?.replaceAll('""', '"') ?? plain.replace(/[A-Z]+/g, (part) => part.toLowerCase()),
  );
}

/** The words that started this process, as far as it knows them. */
function calledAs(): string {
  const called = Deno.env.get("MIGRATE_CALLED_AS");
  if (called) return called;
  const main = fileURLToPath(Deno.mainModule);
  const near = relative(Deno.cwd(), main);
  return `deno run -A ${near.startsWith("..") ? main : near}`;
}

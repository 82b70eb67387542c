import { dirname, join, relative, resolve } from "node:path";
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Environment, EnvironmentError, readEnvironment } from "../postgres/environment.ts";
import { exit, Failure } from "./command.ts";
import type { Config } from "./config.ts";

/** The project whose migrations are meant. It is never known from where this code lies. */
export const project = {
  /** The folder that everything in it is relative to. */
  root: Deno.cwd(),
  /** How messages name the command. */
  command: calledAs(),
  config: {} as Config,
};

const configFile = "migrate.config.ts";

/**
 * Opens the project: the folder that is named, else the one that the command is run in, else, where
 * nothing in it says that it is one, the nearest above it in the same repository. Throws a Failure.
 */
export async function openProject(named?: string) {
  const root = named === undefined ? nearestProject(Deno.cwd()) : resolve(named);
  if (!existsSync(root)) throw new Failure(`--root ${named} is not there`, exit.usage);
  const path = join(root, configFile);
  project.root = root;
  if (existsSync(path)) project.config = await loadConfig(path);
  project.command = project.config.command ?? project.command;
}

async function loadConfig(path: string): Promise<Config> {
  try {
    return (await import(pathToFileURL(path).href)).default ?? {};
  } catch (error) {
    throw new Failure(`${path} cannot be loaded: ${(error as Error).message}`, exit.usage);
  }
}

function nearestProject(start: string): string {
  // Whoever names the folder of the migrations here means the folder that they stand in.
  if (Deno.env.get("DBMATE_MIGRATIONS_DIR") || existsSync(join(start, ".env"))) return start;
  for (let folder = start;; folder = dirname(folder)) {
    if ([configFile, join("db", "migrations")].some((name) => existsSync(join(folder, name)))) {
      return folder;
    }
    if (existsSync(join(folder, ".git")) || dirname(folder) === folder) return start;
  }
}

/** The environment, filled from the project's .env. Throws a Failure where that cannot be read. */
export function environment(): Environment {
  try {
    return readEnvironment(project.root);
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    throw new Failure(error.message, exit.usage);
  }
}

/** The words that started this process, as far as it knows them. */
function calledAs(): string {
  const main = fileURLToPath(Deno.mainModule);
  const near = relative(Deno.cwd(), main);
  return `deno run -A ${near.startsWith("..") ? main : near}`;
}

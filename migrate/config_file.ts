import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { exit, Failure, nearest } from "./command.ts";
import type { Config, PlainConfig } from "./config.ts";
import { profiles, ruleNames } from "./rules.ts";

/** The names that a project's configuration can have, beside its migrations. */
export const configFiles = { plain: "migrate.config.json", code: "migrate.config.ts" };

/** What the project at `root` says of itself. Throws a Failure that names the fault. */
export async function loadConfig(root: string): Promise<Config> {
  return { ...readPlainConfig(root), ...await loadCode(root) };
}

async function loadCode(root: string): Promise<Config> {
  const path = join(root, configFiles.code);
  if (!existsSync(path)) return {};
  let config: Config;
  try {
    config = (await import(pathToFileURL(path).href)).default ?? {};
  } catch (error) {
    throw new Failure(`${path} cannot be loaded: ${(error as Error).message}`, exit.usage);
  }
  requireSound(configFiles.code, config, [...plainNames, ...codeNames]);
  return config;
}

/** The plain part; nothing where there is no such file. Throws a Failure. */
export function readPlainConfig(root: string): PlainConfig {
  const path = join(root, configFiles.plain);
  if (!existsSync(path)) return {};
  let config: PlainConfig;
  try {
    config = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Failure(
      `${configFiles.plain} cannot be read: ${(error as Error).message}`,
      exit.usage,
    );
  }
  requireSound(configFiles.plain, config, plainNames);
  return config;
}

const plainNames = [
  ...["command", "baseline", "profile", "rules", "ignore", "serverRoles", "prepare"],
];
const codeNames = ["development", "afterUp", "afterChange", "seed", "checkQueries"];

function requireSound(file: string, config: PlainConfig, names: string[]) {
  const faults: string[] = [];
  const unknown = (what: string, name: string, known: string[]) => {
    const guess = nearest(name, known);
    faults.push(`${what} "${name}" is unknown${guess ? `: did you mean ${guess}?` : ""}`);
  };
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw new Failure(`${file}: it must hold an object`, exit.usage);
  }
  for (const name of Object.keys(config)) {
    if (!names.includes(name)) unknown("the name", name, names);
  }
  const { baseline, profile, rules = {}, command, prepare, ignore = [], serverRoles = [] } = config;
  if (baseline !== undefined && !/^\d+$/.test(String(baseline))) {
    faults.push(`baseline is "${baseline}": it must be a version, digits as a text`);
  }
  for (const [name, text] of Object.entries({ command, prepare })) {
    if (text !== undefined && typeof text !== "string") faults.push(`${name} must be a text`);
  }
  if (profile !== undefined && !(profile in profiles)) {
    unknown("the profile", profile, Object.keys(profiles));
  }
  for (const [rule, level] of Object.entries(rules)) {
    if (!ruleNames.includes(rule)) unknown("the rule", rule, ruleNames);
    if (!["error", "warning", "off"].includes(level)) {
      faults.push(`the rule ${rule} is "${level}": it must be error, warning or off`);
    }
  }
  for (const [name, list] of Object.entries({ ignore, serverRoles })) {
    if (!Array.isArray(list) || list.some((item) => typeof item !== "string")) {
      faults.push(`${name} must be a list of texts`);
    }
  }
  if (faults.length > 0) throw new Failure(`${file}: ${faults.join("; ")}`, exit.usage);
}

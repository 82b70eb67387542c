import { exit, Failure } from "../command.ts";
import { formatFinding } from "../finding.ts";
import { type Migration, readFolder } from "./migrations.ts";

/** The folder's migrations, for what needs all of them. Throws a Failure that lists the findings. */
export async function readSound(dir?: string): Promise<Migration[]> {
  const { migrations, findings } = await readFolder(dir);
  if (findings.length > 0) throw new Failure(findings.map(formatFinding).join("\n"), exit.found);
  return migrations;
}

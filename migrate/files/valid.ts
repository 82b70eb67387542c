import { exit, Failure } from "../command.ts";
import { formatFinding } from "../finding.ts";
import { judge } from "./judge.ts";
import { type Migration, readFolder } from "./migrations.ts";

/** The migrations, for what needs all of them. Throws a Failure that lists what is wrong. */
export async function readValidMigrations(dirs?: string[]): Promise<Migration[]> {
  const { migrations, findings } = await readFolder(dirs);
  const { errors } = judge(findings, migrations);
  if (errors.length > 0) throw new Failure(errors.map(formatFinding).join("\n"), exit.found);
  return migrations;
}

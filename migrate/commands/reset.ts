import { changeOptions, confirmOption, requireConfirmation } from "../apply/change.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { type Command, exit, Failure } from "../command.ts";
import { maintenance, quoteName } from "../databases.ts";
import { checkForm } from "../files/form.ts";
import { judge } from "../files/judge.ts";
import { requireSession } from "../apply/lock.ts";
import { formatFinding } from "../finding.ts";
import { readValidMigrations } from "../files/valid.ts";
import { openTarget } from "../target.ts";
import { project } from "../project.ts";

export const command: Command = {
  name: "reset",
  usage: "[options]",
  description:
    "Drops the database with all its data, creates it, applies every migration and puts in the demo\n" +
    "data, where the project has some. A database that is not on this machine has to be named by --confirm.",
  example: "reset",
  arguments: [0, 0],
  options: {
    ...changeOptions,
    ...confirmOption,
    "no-seed": { type: "boolean", summary: "without the demo data" },
  },
  async run(context) {
    // Held open to the end, so that a server started for it runs only once.
    await using target = await openTarget();
    const { settings } = target;
    requireConfirmation(context, settings);
    await requireUp(settings);
    const name = quoteName(settings.database);
    await maintenance(settings, async (db) => {
      await db.script(`drop database if exists ${name} with (force)`);
      await db.script(`create database ${name}`);
    });
    context.print(`created ${settings.database}`);
    const { command: up } = await import("./up.ts");
    const code = await up.run(context);
    if (code !== exit.done || context.options["no-seed"] || !project.config.seed) return code;
    const { command: seed } = await import("./seed.ts");
    return await seed.run(context);
  },
};

/** Whatever `up` would refuse is refused while the data is still there. */
async function requireUp(settings: DatabaseSettings) {
  const migrations = await readValidMigrations();
  const { errors } = judge((await Promise.all(migrations.map(checkForm))).flat(), migrations);
  if (errors.length > 0) {
    throw new Failure(`${errors.map(formatFinding).join("\n")}\nnothing was dropped`);
  }
  await requireSession({ ...settings, database: "postgres" });
}

import { confirmOption, requireConfirmation } from "../apply/change.ts";
import { DatabaseError } from "../../postgres/mod.ts";
import { type Command, exit, Failure } from "../command.ts";
import { openSession } from "../apply/session.ts";
import { openTarget } from "../target.ts";
import { project } from "../project.ts";

export const command: Command = {
  name: "seed",
  usage: "[options]",
  description: "Puts in the demo data, unless it is there. Changes nothing else.",
  example: "seed",
  arguments: [0, 0],
  options: confirmOption,
  async run(context) {
    const { seed } = project.config;
    if (!seed) {
      throw new Failure(
        "this project has no demo data: write a `seed` into migrate.config.ts that puts it in",
        exit.usage,
      );
    }
    await using target = await openTarget();
    requireConfirmation(context, target.settings);
    const db = await openSession(target.settings);
    try {
      await seed(db);
    } catch (error) {
      if (!(error instanceof DatabaseError) || !/^42(P01|703)$/.test(error.code)) throw error;
      throw new Failure(
        `the database has not the tables of this checkout (${error.message}): \`${project.command} up\` first; nothing was put in`,
      );
    } finally {
      await db.close();
    }
    context.print("the demo data is there");
    return exit.done;
  },
};

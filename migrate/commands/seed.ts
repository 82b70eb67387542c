import { confirmOption, requireConfirmation } from "../apply/change.ts";
import { DatabaseError } from "../../postgres/mod.ts";
import { type Command, exit, Failure } from "../command.ts";
import { seed } from "../../tasks/seed.ts";
import { openSession } from "../apply/session.ts";
import { openTarget } from "../target.ts";

export const command: Command = {
  name: "seed",
  usage: "[options]",
  description: "Puts in the demo data, unless it is there. Changes nothing else.",
  example: "deno task db seed",
  arguments: [0, 0],
  options: confirmOption,
  async run(context) {
    await using target = await openTarget();
    requireConfirmation(context, target.settings);
    const db = await openSession(target.settings);
    try {
      await seed(db);
    } catch (error) {
      if (!(error instanceof DatabaseError) || !/^42(P01|703)$/.test(error.code)) throw error;
      throw new Failure(
        `the database has not the tables of this checkout (${error.message}): \`deno task db up\` first; nothing was put in`,
      );
    } finally {
      await db.close();
    }
    context.print("the demo data is there");
    return exit.done;
  },
};

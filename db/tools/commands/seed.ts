import { confirmOption, requireConfirmation } from "../change.ts";
import { type Command, exit } from "../command.ts";
import { seed } from "../seed.ts";
import { openSession } from "../session.ts";
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
    } finally {
      await db.close();
    }
    context.print("the demo data is there");
    return exit.done;
  },
};

import { change } from "../apply/change.ts";
import { type Command, exit } from "../command.ts";
import { checkForm } from "../files/form.ts";
import { judge } from "../files/judge.ts";
import { report } from "../finding.ts";
import type { Migration } from "../files/migrations.ts";
import { step } from "../apply/step.ts";
import { downTo } from "../apply/versions.ts";
import { downOptions, revert } from "./down.ts";

export const command: Command = {
  name: "redo",
  usage: "[options]",
  description:
    "Reverts the newest migration and applies it again, after an edit while it is young.\n" +
    "The down runs as it was recorded, the up as the file says now. What the down loses, rows of a\n" +
    "new table for instance, does not come back.",
  example: "redo",
  arguments: [0, 0],
  options: downOptions,
  run(context) {
    return change(context, { destructive: true }, async (work) => {
      const row = downTo(undefined, 1, work.rows)[0]!;
      if (!row.file) {
        context.say(`the file of ${row.version} is gone`);
        return exit.found;
      }
      const { errors } = judge(await checkForm(row.file), [row.file]);
      if (errors.length > 0) {
        report(context, errors);
        return exit.found;
      }
      // Whoever edits a file and calls redo wants what was applied undone, not what it says now.
      context.options["from-ledger"] = true;
      const lost = downLoses(row.file);
      if (lost) context.say(`${row.file.path}: ${lost}`);
      if (!await revert(work, [row])) return exit.found;
      await step(work, row.file, "up");
      return exit.done;
    });
  },
};

/** What the header says of it, on one line. */
function downLoses({ text }: Migration): string | undefined {
  const [, said] = /^-- (down loses (?!nothing).*(?:\n-- (?![a-z]+:|up ).*)*)/m.exec(text) ?? [];
  return said?.replaceAll("\n-- ", " ");
}

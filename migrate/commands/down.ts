import { type Change, change, changeOptions, confirmOption } from "../apply/change.ts";
import { type Command, exit, Failure, wholeNumber } from "../command.ts";
import { judgeReverted } from "../apply/reverted.ts";
import type { Row } from "../apply/state.ts";
import { step } from "../apply/step.ts";
import { downTo } from "../apply/versions.ts";

export const downOptions = {
  ...changeOptions,
  ...confirmOption,
  "from-ledger": {
    type: "boolean",
    summary: "revert by what was recorded at the time, where the file is gone or edited",
  },
  "again": { type: "boolean", summary: "repeat a down whose last run was cut off" },
} as const;

export const command: Command = {
  name: "down",
  usage: "[target | -n <steps>] [options]",
  description:
    "Reverts the newest migration, several, or everything that is newer than a target; `base` is\n" +
    "everything. Where nothing is applied a step back fails, as dbmate's does: exit code 1. A target\n" +
    "that is reached already is exit code 0. A database that is not on this machine has to be named\n" +
    "by --confirm.",
  example: "down\ndown -n 2\ndown 20261116090000",
  arguments: [0, 1],
  options: {
    ...downOptions,
    n: { type: "string", short: "n", value: "steps", summary: "how many (1); -2 for two as well" },
    sql: { type: "boolean", summary: "print the script instead of running it" },
    from: {
      type: "string",
      value: "version",
      summary: "with --sql: the newest that is applied; the database is not asked",
    },
  },
  async run(context) {
    const [target] = context.positionals;
    if (target !== undefined && context.options.n !== undefined) {
      throw new Failure("give a target or -n, not both", exit.usage);
    }
    const steps = wholeNumber(context, "n", 1);
    if (context.options.sql) {
      const { printDown } = await import("../apply/script.ts");
      return await printDown(context, target, steps);
    }
    if (context.options.from) throw new Failure("--from goes with --sql", exit.usage);
    return await change(context, { destructive: true }, async (work) => {
      const rows = downTo(target, steps, work.rows);
      if (rows.length === 0) context.say("there is nothing to revert");
      return await revert(work, rows) ? exit.done : exit.found;
    });
  },
};

/** Reverts rows in their order, unless something stands against one of them: then nothing. */
export async function revert(work: Change, rows: Row[]): Promise<boolean> {
  const migrations = await judgeReverted(work.context, rows);
  if (!migrations) work.context.say("nothing was reverted");
  for (const migration of migrations ?? []) await step(work, migration, "down");
  return migrations !== undefined;
}

import { type Change, change, changeOptions } from "../apply/change.ts";
import { type Command, exit, Failure } from "../command.ts";
import { brokenIndexes } from "../apply/indexes.ts";
import { record } from "../apply/ledger.ts";
import { formatFinding, report } from "../finding.ts";
import { isWanted, judgePending } from "../apply/pending.ts";
import type { Row } from "../apply/state.ts";
import { applyHistory } from "../apply/history.ts";
import { step } from "../apply/step.ts";
import { partAtBaseline } from "../files/baseline.ts";
import { judge, type Verdict } from "../files/judge.ts";
import { project } from "../project.ts";
import { upTo } from "../apply/versions.ts";

export const command: Command = {
  name: "up",
  usage: "[target] [options]",
  description:
    "Applies what is pending, or what is pending up to a target: a version, the start of one, a\n" +
    "name, or +2 for two steps. Before anything runs, all files are checked; several runs at once\n" +
    "wait for each other; each migration is recorded with its author and its content. What the\n" +
    "project's migrate.config.ts hands in as `afterUp` comes last.",
  example: "up\nup +1\nup --sql > release.sql",
  arguments: [0, 1],
  options: {
    ...changeOptions,
    "sql": { type: "boolean", summary: "print the script instead of running it" },
    "from": {
      type: "string",
      value: "version",
      summary: "with --sql: what is applied, `base` for nothing; the database is not asked",
    },
    "out-of-order": { type: "boolean", summary: "apply also what is older than what is applied" },
    "again": { type: "boolean", summary: "repeat a migration whose last run was cut off" },
  },
  async run(context) {
    const [target] = context.positionals;
    if (context.options.sql) {
      const { printUp } = await import("../apply/script.ts");
      return await printUp(context, target);
    }
    if (context.options.from) throw new Failure("--from goes with --sql", exit.usage);
    return await change(context, {}, async (work) => {
      const pending = upTo(target, work.rows, isWanted(context));
      const { errors, warnings, history } = await check(work, pending);
      for (const finding of history) context.say(`accepted: ${formatFinding(finding)}`);
      report(context, errors, warnings);
      if (errors.length > 0) {
        context.say(
          `nothing was applied; \`${project.command} adopt\` accepts what was applied elsewhere already`,
        );
        return exit.found;
      }
      await takeOver(work);
      const parted = partAtBaseline(pending.map(({ file }) => file!));
      await applyHistory(work, parted.history);
      for (const file of parted.judged) await step(work, file, "up");
      if (pending.length === 0) context.say("nothing is pending");
      // Before the last step a table that it names may be missing.
      if (target === undefined) await project.config.afterUp?.({ db: work.db, say: context.say });
      return exit.done;
    });
  },
};

/** Everything that stands against it, before anything is done. */
async function check({ db, folder, rows }: Change, pending: Row[]): Promise<Verdict> {
  const verdict = await judgePending(folder, rows, pending);
  if (verdict.errors.length > 0) return verdict;
  const broken = await brokenIndexes(db, pending.map(({ file }) => file!));
  return { ...verdict, errors: judge(broken, folder.migrations).errors };
}

/** Takes into the ledger what dbmate was used for by hand. */
async function takeOver({ db, rows, context }: Change) {
  for (const { byHand, renamed, file, entry } of rows) {
    if (!byHand || !file) continue;
    await record(db, file, renamed ? "stamp" : "adopt");
    if (entry && !renamed) {
      context.say(`${file.path} was applied by dbmate itself; the ledger has it now`);
    }
  }
}

import { type Change, change, changeOptions, confirmOption } from "../apply/change.ts";
import { type Command, type Context, exit, Failure, wholeNumber } from "../command.ts";
import { configFiles } from "../config_file.ts";
import { accept } from "../files/accept.ts";
import { checkForm } from "../files/form.ts";
import { judge } from "../files/judge.ts";
import { type Finding, report } from "../finding.ts";
import type { Migration } from "../files/migrations.ts";
import { project } from "../project.ts";
import { levelOf } from "../rules.ts";
import { findingsOf, fromLedger, type Row } from "../apply/state.ts";
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
  const findings: Finding[] = [];
  const migrations: Migration[] = [];
  for (const row of rows) {
    const migration = source(row, work.context);
    if (migration) migrations.push(migration);
    findings.push(...migration ? await obstacles(migration) : findingsOf([row]));
  }
  if (findings.length > 0) {
    report(work.context, findings);
    if (rows.some(({ entry, state }) => entry && (state === "missing" || state === "edited"))) {
      work.context.say("`--from-ledger` reverts by what was recorded when it was applied");
    }
    work.context.say("nothing was reverted");
    return false;
  }
  for (const migration of migrations) await step(work, migration, "down");
  return true;
}

/** The migration to revert by: the file as it was applied, or with --from-ledger its record. */
function source({ state, file, entry }: Row, { options }: Context): Migration | undefined {
  if (state === "applied") return file;
  if (state === "unfinished") return options.again && file ? file : undefined;
  return options["from-ledger"] && entry ? fromLedger(entry) : undefined;
}

async function obstacles(migration: Migration): Promise<Finding[]> {
  const { path, irreversible, down } = migration;
  if (irreversible) {
    return [{
      path,
      line: down.line,
      rule: "irreversible",
      message: `cannot be reverted: ${irreversible}`,
      remedy: "write a new migration that goes forward",
    }];
  }
  const found = (await checkForm(migration)).filter(({ line }) => line >= down.line);
  // That nothing would be undone is an error here, also where it only warns, unless it is accepted.
  // It was applied, so that to write it now would be an edit.
  const remedy =
    "undo it by a new migration; or, where nothing is to be undone, turn the rule off " +
    `in ${configFiles.plain}: \`{"rules": {"empty-down": "off"}}\``;
  const empty = found.filter(({ rule }) =>
    rule === "empty-down" && levelOf(rule, project.config) !== "off"
  ).map((finding) => ({ ...finding, remedy }));
  const { findings } = accept([migration], empty);
  return findings.length > 0 ? findings : judge(found, [migration]).errors;
}

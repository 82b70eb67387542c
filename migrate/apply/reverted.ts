import type { Context } from "../command.ts";
import { configFiles } from "../config_file.ts";
import { accept } from "../files/accept.ts";
import { checkForm } from "../files/form.ts";
import { judge } from "../files/judge.ts";
import type { Migration } from "../files/migrations.ts";
import { type Finding, report } from "../finding.ts";
import { project } from "../project.ts";
import { levelOf } from "../rules.ts";
import { findingsOf, fromLedger, type Row } from "./state.ts";

/** By what the rows are reverted, in their order; undefined where something stands against one, which it says. */
export async function judgeReverted(
  context: Context,
  rows: Row[],
): Promise<Migration[] | undefined> {
  const findings: Finding[] = [];
  const migrations: Migration[] = [];
  for (const row of rows) {
    const migration = source(row, context);
    if (migration) migrations.push(migration);
    findings.push(...migration ? await obstacles(migration) : findingsOf([row]));
  }
  if (findings.length === 0) return migrations;
  report(context, findings);
  if (rows.some(({ entry, state }) => entry && (state === "missing" || state === "edited"))) {
    context.say("`--from-ledger` reverts by what was recorded when it was applied");
  }
  return undefined;
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

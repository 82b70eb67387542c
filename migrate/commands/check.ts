import { type Command, exit, text } from "../command.ts";
import { prove } from "../check/prove.ts";
import { counted, type Finding, report, sorted } from "../finding.ts";
import { partAtBaseline, versionOf } from "../files/baseline.ts";
import { checkForm, checkHeader } from "../files/form.ts";
import { judge } from "../files/judge.ts";
import { type Folder, type Migration, readFolder } from "../files/migrations.ts";
import { unreadable } from "../rules.ts";
import { project } from "../project.ts";

export const command: Command = {
  name: "check",
  usage: "[--since <version>]",
  description: `\
Proves the migrations without the target database, on a scratch server that it starts and removes:
their form; up, down and up again with equal catalogs; the same with rows in every table; that they
build schema.sql; what they lock, rewrite and lose; and, where the project has a check for them, that
its queries still fit. What is at or before the baseline is built and not judged. A finding that is
meant is accepted by \`-- safety: allow <rule>: <reason>\` above its statement or at the head of
the file, or for all files in the configuration.`,
  example: "check\ncheck --since 20240131120000",
  arguments: [0, 0],
  options: {
    since: {
      type: "string",
      value: "version",
      summary: "judge only what comes after it, whatever the baseline is",
    },
  },
  async run(context) {
    const started = performance.now();
    const { say } = context;
    const folder = await readFolder();
    const migrations = readable(folder, say);
    const wanted = text(context, "since");
    const baseline = wanted === undefined ? project.config.baseline : versionOf(wanted, migrations);
    const parted = partAtBaseline(migrations, baseline);
    const { history, judged } = parted;
    const form: Finding[] = [...folder.findings];
    for (const migration of judged) {
      form.push(...await checkForm(migration), ...checkHeader(migration));
    }
    const proven = await prove(parted, context);
    // PostgreSQL says once more what the text shows already.
    const syntax = new Set(
      form.filter(({ rule }) => rule === "syntax" || rule === "not-in-transaction")
        .map(({ path }) => path),
    );
    const repeated = ({ path, rule }: Finding) => syntax.has(path) && /fails/.test(rule);
    for (const { path, remedy } of proven.filter(repeated)) {
      const unproven = /nothing after it is proven, .*/.exec(remedy)?.[0];
      if (unproven) say(`note: ${path} does not run: ${unproven}`);
    }
    const findings = [...form, ...proven.filter((finding) => !repeated(finding))];
    const { errors, warnings } = judge(findings, migrations, { complete: true, baseline });
    report(context, sorted(errors), sorted(warnings));
    const seconds = `(${((performance.now() - started) / 1000).toFixed(1)} s)`;
    const files = counted(judged.length, "migration");
    const built = history.length === 1
      ? "one up to the baseline is built, not judged"
      : `${history.length} up to the baseline are built, not judged`;
    const beside = [
      ...history.length > 0 ? [built] : [],
      ...warnings.length > 0 ? [counted(warnings.length, "warning")] : [],
    ].map((words) => `, ${words}`).join("");
    if (errors.length > 0) {
      const place = judged.length > 0 ? ` in ${files}` : "";
      say(`${counted(errors.length, "finding")}${place}${beside} ${seconds}`);
      if (baseline === undefined && project.config.profile !== "strict") {
        say(`what is applied already is accepted by \`${project.command} adopt\``);
      }
      return exit.found;
    }
    const valid = judged.length === 0
      ? "no migration to judge"
      : `${files} ${judged.length === 1 ? "is" : "are"} valid`;
    say(`${valid}${beside} ${seconds}`);
    return exit.done;
  },
};

/** What stands before the first file of which dbmate applies nothing: it would stop there. */
function readable({ migrations, findings }: Folder, say: (text: string) => void): Migration[] {
  const broken = findings.filter(({ rule }) => unreadable.includes(rule))
    .map(({ path }) => ({ path, file: path.split(/[\\/]/).pop()! }))
    .sort((a, b) => a.file < b.file ? -1 : 1)[0];
  if (!broken) return migrations;
  const rest = migrations.filter(({ file }) => file > broken.file).length;
  say(
    `note: nothing from ${broken.path} on is proven${
      rest > 0 ? `, ${counted(rest, "file")} after it` : ""
    }`,
  );
  return migrations.filter(({ file }) => file < broken.file);
}

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { writeProjectFile } from "../../embedded/account.ts";
import { type Command, exit, Failure } from "../command.ts";
import { configFiles, readPlainConfig } from "../config_file.ts";
import { counted } from "../finding.ts";
import { partAtBaseline, versionOf } from "../files/baseline.ts";
import { readFolder } from "../files/migrations.ts";
import { project } from "../project.ts";

export const command: Command = {
  name: "adopt",
  usage: "[version | head]",
  description: `\
Accepts the history of a project that was not checked from its beginning: writes the newest version,
or the one that is named, into ${configFiles.plain} as the baseline. What is at or before it is built
in each proof and applied as dbmate applies it, and never judged. No migration is edited.`,
  example: "adopt\nadopt 20240131120000",
  arguments: [0, 1],
  options: {},
  async run({ positionals, print, say }) {
    const { migrations, findings } = await readFolder();
    if (migrations.length === 0) throw new Failure("there is no migration to adopt", exit.usage);
    const baseline = versionOf(positionals[0] ?? "head", migrations);
    const ignore = findings.filter(({ rule }) => rule === "ignored-file")
      .map(({ path }) => basename(path)).sort();
    const { history } = partAtBaseline(migrations, baseline);
    const code = join(project.root, configFiles.code);
    if (existsSync(code)) {
      say(`write into ${configFiles.code}: ${configText({ baseline, ignore })}`);
      return exit.found;
    }
    const config = {
      ...readPlainConfig(project.root),
      baseline,
      ...ignore.length > 0 && { ignore },
    };
    await writeProjectFile(
      join(project.root, configFiles.plain),
      `${JSON.stringify(config, null, 2)}\n`,
    );
    print(configFiles.plain);
    say(
      `the history up to ${baseline} is accepted, ${counted(history.length, "migration")}; ` +
        `what comes after it is judged by \`${project.command} check\``,
    );
    return exit.done;
  },
};

function configText({ baseline, ignore }: { baseline: string; ignore: string[] }): string {
  const names = ignore.length > 0 ? `, ignore: ${JSON.stringify(ignore)}` : "";
  return `baseline: ${JSON.stringify(baseline)}${names}`;
}

import { join } from "node:path";
import { temporaryFolder } from "../../embedded/watchdog.ts";
import { exit, Failure } from "../command.ts";
import type { Finding } from "../finding.ts";
import type { Migration } from "../files/migrations.ts";
import { onOwnTables } from "./own_tables.ts";
import { notAsked } from "../rules.ts";
import { homeSchema } from "../project.ts";
import { squawkBinary } from "./squawk_binary.ts";

/**
 * What squawk, a linter of migrations, says of the up parts. The down part is blanked, not cut:
 * lines keep their numbers. One run for those in a transaction, one for the others.
 */
export async function lint(migrations: Migration[]): Promise<Finding[]> {
  const findings = await lintAll(migrations);
  const own = await Promise.all(
    migrations.map((migration) => onOwnTables(migration, homeSchema())),
  );
  const mine = new Map(migrations.map(({ path }, i) => [path, own[i]!]));
  return findings.filter(({ path, line }) =>
    !mine.get(path)!.some((s) => s.from <= line && line <= s.to)
  );
}

async function lintAll(migrations: Migration[]): Promise<Finding[]> {
  await using folder = await temporaryFolder("migrate-squawk-");
  const { path } = folder;
  const runs = [true, false].map(async (transaction) => {
    const some = migrations.filter(({ up }) => up.transaction === transaction);
    if (some.length === 0) return [];
    for (const { file, up } of some) {
      const text = "\n".repeat(up.line - 1) + withoutAcceptances(up.text);
      await Deno.writeTextFile(join(path, file), `${text}\n`);
    }
    return await run(path, some, transaction);
  });
  return (await Promise.all(runs)).flat();
}

/** Our own comments decide, so that squawk must not act on one of its own. */
function withoutAcceptances(text: string): string {
  return text.replaceAll(/^\s*-- squawk-ignore.*$/gm, "--");
}

async function run(
  folder: string,
  migrations: Migration[],
  transaction: boolean,
): Promise<Finding[]> {
  const args = ["--reporter", "json", ...notAsked.flatMap((rule) => ["--exclude", rule])];
  if (transaction) args.push("--assume-in-transaction");
  const command = new Deno.Command(await squawkBinary(), {
    args: [...args, ...migrations.map(({ file }) => file)],
    cwd: folder,
    stdin: "null",
  });
  const { stdout, stderr, code } = await command.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  let reports: Report[];
  try {
    reports = JSON.parse(decode(stdout) || "[]");
  } catch {
    throw new Failure(`squawk ended with ${code}: ${decode(stderr) || decode(stdout)}`, exit.found);
  }
  // PostgreSQL's own parser decides what is a mistake in the grammar.
  const parsed = reports.filter(({ rule_name }) => rule_name !== "syntax-error");
  return parsed.map((report) => ({
    path: migrations.find(({ file }) => file === report.file)!.path,
    line: report.line + 1,
    rule: report.rule_name,
    message: report.message.split("\n")[0]!,
    remedy: report.help ?? "read squawk's page on the rule",
  }));
}

interface Report {
  file: string;
  /** From 0. */
  line: number;
  message: string;
  help: string | null;
  rule_name: string;
}

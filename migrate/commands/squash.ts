import { dirname, resolve } from "node:path";
import { writeProjectFile } from "../../embedded/account.ts";
import { connect, type Database, sql } from "../../postgres/mod.ts";
import { describeDifferences } from "../catalog/catalog.ts";
import { compareDatabases } from "../catalog/normalize.ts";
import { type Command, exit, Failure } from "../command.ts";
import { project } from "../project.ts";
import { lostData, readData } from "../proof/data.ts";
import { counted, formatFinding } from "../finding.ts";
import { type Migration, parse } from "../files/migrations.ts";
import { rowsText } from "../proof/rows_text.ts";
import { partAtBaseline, versionOf } from "../files/baseline.ts";
import { sqlPattern } from "../files/sql_text.ts";
import { checkForm } from "../files/form.ts";
import { build, ReplayFailure } from "../proof/replay.ts";
import { schemaText } from "../schema/text.ts";
import { readValidMigrations } from "../files/valid.ts";
import { openScratch } from "../scratch.ts";

export const command: Command = {
  name: "squash",
  usage: "<version | head>",
  description: `\
Writes one baseline in place of all migrations up to a version, and removes them, only if it is
proven that the baseline and what comes after it build the same schema. The baseline has the number
of the last that it replaces: a database that has all of them has the baseline. Apply all of them
everywhere first. Rows that the old ones put in are carried over.`,
  example: "squash 20261104093000",
  arguments: [1, 1],
  options: {},
  async run({ positionals, print, progress }) {
    const migrations = await readValidMigrations();
    const wanted = versionOf(positionals[0]!, migrations);
    const { history: old } = partAtBaseline(migrations, wanted);
    const later = migrations.slice(old.length);
    if (old.length < 2) {
      throw new Failure(`${wanted} is the first: nothing to squash`, exit.usage);
    }
    progress("building both histories on a scratch server");
    await using scratch = await openScratch({ migrations });
    const open = async () =>
      connect(await scratch.create(), { session: true, deadlineMs: 120_000 });
    const [before, after] = [await open(), await open()];
    try {
      await build(before, partAtBaseline(old));
      const held = await readData(before);
      const rows = await rowsText(before);
      const schema = onSchemas(await schemaText(before), await schemasOf(after));
      const baseline = asBaseline(old, schema, rows);
      const form = await checkForm(baseline);
      if (form.length > 0) {
        throw new Failure(`nothing was changed:\n${form.map(formatFinding).join("\n")}`);
      }
      await build(after, partAtBaseline([baseline])).catch((error) => {
        if (!(error instanceof ReplayFailure)) throw error;
        const prepared = project.config.prepare
          ? ", which what `prepare` makes would be in as well"
          : "";
        throw new Failure(
          `the baseline in their place${prepared} would not run: ${error.words}; nothing was ` +
            `changed:\n${lineOf(baseline, error.line)}`,
        );
      });
      const lost = lostData(held, await readData(after));
      if (lost.length > 0) {
        throw new Failure(
          `the baseline cannot carry the rows of the migrations (${lost.join(", ")}): ` +
            "squash up to the one before, or move the rows into the seed; nothing was changed",
        );
      }
      await refuseDifference(before, after, "the baseline");
      await build(before, partAtBaseline(later));
      await build(after, partAtBaseline(later));
      await refuseDifference(before, after, "the baseline with what comes after it");
      // In the folder of the last one: there may be several.
      const path = resolve(project.root, baseline.path);
      await writeProjectFile(path, baseline.text);
      for (const file of old.map((migration) => resolve(project.root, migration.path))) {
        if (file !== path) await Deno.remove(file);
      }
      print(baseline.path);
      return exit.done;
    } finally {
      await before.close();
      await after.close();
    }
  },
};

async function schemasOf(db: Database): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    sql`select quote_ident(nspname) as name from pg_namespace where oid >= 16384`,
  );
  return rows.map(({ name }) => name);
}

/** The schema's text for a database that has some schemas before the first migration: dbmate's own. */
function onSchemas(text: string, there: string[]): string {
  return text.replace(
    sqlPattern("^create schema (?=(<name>))", "gm"),
    (words, name: string) => there.includes(name) ? `${words}if not exists ` : words,
  );
}

/** A line of a migration that nobody can look up. */
function lineOf({ text }: Migration, line: number): string {
  return text.split("\n")[line - 1]!.slice(0, 200);
}

/** The migration that takes the place of others: their schema, and the rows that they put in. */
export function asBaseline(old: Migration[], schema: string, rows: string): Migration {
  const last = old.at(-1)!;
  const statements = schema.replace(/^(--.*\n)+/, "").trim()
    .replace(/^set check_function_bodies/, "set local check_function_bodies") + rows;
  const text = `\
-- The schema as ${counted(old.length, "migration")} built it, up to ${last.file}.
-- replaces: ${old.map(({ version }) => version).join(" ")}
-- lock: none, everything is new
-- irreversible: before it there is nothing

-- migrate:up
${statements}

-- migrate:down
do $$ begin raise exception 'irreversible: before the baseline there is nothing'; end $$;
`;
  const path = resolve(project.root, dirname(last.path), `${last.version}_baseline.sql`);
  const { migration, findings } = parse(path, new TextEncoder().encode(text));
  if (!migration) throw new Failure(findings.map(formatFinding).join("\n"));
  return migration;
}

async function refuseDifference(before: Database, after: Database, what: string) {
  const differences = await compareDatabases(before, before, after);
  if (differences.length === 0) return;
  throw new Failure(
    `${what} does not build the same schema, nothing was changed:\n${
      describeDifferences(differences, { expected: "the migrations", found: "the baseline" })
    }`,
  );
}

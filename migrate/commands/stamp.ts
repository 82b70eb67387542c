import { describeDifferences } from "../catalog/catalog.ts";
import { type Change, change, changeOptions } from "../apply/change.ts";
import { type Command, exit, Failure } from "../command.ts";
import { compareWithMigrations } from "../proof/expected.ts";
import { sql } from "../../postgres/mod.ts";
import { createVersionsTable, versionsTableSql } from "../bookkeeping.ts";
import { record } from "../apply/ledger.ts";
import { readValidMigrations } from "../files/valid.ts";
import { find, isApplied } from "../apply/versions.ts";

export const command: Command = {
  name: "stamp",
  usage: "<version | head> [options]",
  description:
    "Records everything up to a version as applied, without running it: for a database that has the\n" +
    "schema already, for a migration that was cut off after its work, for a file in which a comment\n" +
    "was corrected. Only if the catalogs of the database are exactly what those migrations build.",
  example: "stamp head\nstamp 20261104090000",
  arguments: [1, 1],
  options: changeOptions,
  async run(context) {
    const migrations = await readValidMigrations();
    return await change(context, {}, async (work) => {
      const [wanted] = context.positionals;
      const { version } = wanted === "head" ? migrations.at(-1) ?? { version: "" } : find(
        wanted!,
        work.rows,
      );
      const newer = work.rows.filter((row) => row.version > version && isApplied(row));
      // What is applied beyond the version stands in the catalogs as well.
      const built = migrations.filter((file) =>
        file.version <= version || newer.some((row) => row.version === file.version)
      );
      context.progress("building what the migrations say");
      const differences = await compareWithMigrations(built, work.db);
      if (differences.length > 0) {
        context.print(
          describeDifferences(differences, { expected: "migrations", found: "database" }),
        );
        throw new Failure(
          `the database is not what the migrations up to ${version} build: nothing was recorded`,
        );
      }
      await recordUpTo(work, version);
      return exit.done;
    });
  },
};

async function recordUpTo({ db, rows, context }: Change, version: string) {
  await db.script(createVersionsTable());
  let recorded = false;
  for (const row of rows) {
    const { file, state, byHand } = row;
    if (row.version > version || !file || (state === "applied" && !byHand)) continue;
    await record(db, file, "stamp");
    await db.query(sql`
      insert into ${versionsTableSql()} (version) values (${file.version}) on conflict do nothing
    `);
    context.print(`recorded ${file.file}`);
    recorded = true;
  }
  if (!recorded) context.say(`everything up to ${version} is recorded already`);
}

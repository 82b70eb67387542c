import type { Database } from "../../postgres/mod.ts";
import { describeDatabase } from "../../postgres/settings.ts";
import { describeDifferences, type Difference } from "../catalog/catalog.ts";
import { type Command, exit, Failure } from "../command.ts";
import { compareWithMigrations } from "../proof/expected.ts";
import { counted } from "../finding.ts";
import { type Migration, readFolder } from "../files/migrations.ts";
import { openSession } from "../apply/session.ts";
import { fromLedger, readState } from "../apply/state.ts";
import { openTarget } from "../target.ts";
import { project } from "../project.ts";

export const command: Command = {
  name: "drift",
  usage: "[--json]",
  description: `\
Compares a live database with what the migrations that are recorded in it build, and prints each
difference: somebody changed the schema by hand, or a migration was edited after it ran. Reads
only, in one statement: safe on production and on a read-only replica. Exit 1 where they differ.`,
  example: "drift\ndrift --json",
  arguments: [0, 0],
  options: { json: { type: "boolean", summary: "a JSON array of differences" } },
  async run({ options, print, say, progress }) {
    await using target = await openTarget();
    const db = await openSession(target.settings);
    try {
      const recorded = await recordedMigrations(db);
      progress("building what is recorded");
      const differences = await compareWithMigrations(recorded, db);
      if (options.json) print(JSON.stringify(differences.map(withoutRows), null, 2));
      else if (differences.length > 0) {
        print(describeDifferences(differences, { expected: "migrations", found: "database" }));
      }
      const where = describeDatabase(target.settings);
      // An order alone breaks nothing that names its columns, and no statement can mend it.
      if (differences.every(({ kind }) => kind === "column order")) {
        const but = differences.length > 0 ? ", but for the order of columns" : "";
        say(
          `${where} is what ${counted(recorded.length, "recorded migration")} build${
            recorded.length === 1 ? "s" : ""
          }${but}`,
        );
        return exit.done;
      }
      const places = differences.length === 1 ? "one place" : `${differences.length} places`;
      say(
        `${where} differs from its recorded migrations in ${places}; ` +
          `\`${project.command} diff back --from database --to migrations --stdout\` drafts the way back, ` +
          `\`${project.command} diff <name> --from migrations --to database\` keeps what is there`,
      );
      return exit.found;
    } finally {
      await db.close();
    }
  },
};

/** For machines: what differs, without the rows that tell it. */
function withoutRows({ kind, name, expected, found }: Difference) {
  return { kind, name, expected, found };
}

/**
 * The migrations that the database says it has, each as it was when it was applied, where the
 * ledger knows that. Throws a Failure where neither file nor ledger tells what one did.
 */
async function recordedMigrations(db: Database): Promise<Migration[]> {
  const rows = (await readState(db, await readFolder()))
    .filter(({ state }) => state === "applied" || state === "edited" || state === "missing");
  const gone = rows.filter(({ file, entry }) => !file && !entry);
  if (gone.length > 0) {
    throw new Failure(
      `the database has the migrations ${gone.map((row) => row.version).join(", ")}, whose files ` +
        "are not here: take a checkout that has them; without them nobody knows what to expect",
    );
  }
  return rows.map(({ file, entry, byHand }) =>
    file && (byHand || !entry) ? file : fromLedger(entry!)
  );
}

import type { Database } from "../../postgres/mod.ts";
import { describeDifferences } from "../catalog/catalog.ts";
import { compareRows } from "../catalog/compare.ts";
import { readDefinitions } from "../catalog/definitions.ts";
import { type CatalogRow, readRows } from "../catalog/rows.ts";
import { compareSettled } from "../catalog/settle.ts";
import type { Finding } from "../finding.ts";
import type { Migration } from "../files/migrations.ts";
import { build, replay, ReplayFailure } from "./replay.ts";

/**
 * Each migration up, down and up again on an empty scratch database: the catalogs after down are
 * those of before, the second up gives those of the first. `db` must be a session; `fresh` opens
 * another one on an empty database, to tell how it was before. Ends at the first migration whose up fails, since nothing after it can be known.
 */
export async function roundTrip(
  db: Database,
  migrations: Migration[],
  progress: (migration: Migration) => void,
  fresh: () => Promise<Database>,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  /** What differs, in words; `count` migrations build what was expected. */
  const differences = async (
    expected: CatalogRow[],
    found: CatalogRow[],
    left: string,
    right: string,
    count: number,
    { order = true } = {},
  ): Promise<string> => {
    if (compareRows(expected, found).length === 0) return "";
    const earlier = await fresh();
    try {
      await build(earlier, migrations.slice(0, count));
      const all = await compareSettled(
        earlier,
        { definitions: await readDefinitions(earlier), rows: expected },
        { definitions: await readDefinitions(db), rows: found },
      );
      const counted = order ? all : all.filter(({ kind }) => kind !== "column order");
      return describeDifferences(counted, { expected: left, found: right })
        .replaceAll(/^/gm, "  ").trimEnd();
    } finally {
      await earlier.close();
    }
  };
  let before = await readRows(db);
  for (const [i, migration] of migrations.entries()) {
    progress(migration);
    const { path, down, up } = migration;
    const finding = (line: number, message: string, remedy: string) =>
      findings.push({ path, line, message, remedy });
    try {
      await replay(db, migration, "up");
    } catch (error) {
      findings.push(failed(migration, error, "correct it"));
      return findings;
    }
    const built = await readRows(db);
    if (migration.irreversible) {
      const refused = await refuses(db, migration);
      if (!refused) {
        finding(
          down.line,
          "is said to be irreversible, and its down ran",
          "let it raise an exception",
        );
        return findings;
      }
      const left = await differences(built, await readRows(db), "before", "after it", i + 1);
      if (left) {
        finding(
          down.line,
          `the refused down has changed the schema:\n${left}`,
          "let it raise first",
        );
      }
      before = built;
      continue;
    }
    try {
      await replay(db, migration, "down");
    } catch (error) {
      findings.push(failed(migration, error, "correct it, or say `-- irreversible: <reason>`"));
      return findings;
    }
    const left = await differences(before, await readRows(db), "before up", "after down", i, {
      order: !losesPlace(migration),
    });
    if (left) {
      finding(
        down.line,
        `down does not restore what was there before up:\n${left}`,
        "undo what is named here as well",
      );
    }
    try {
      await replay(db, migration, "up");
    } catch (error) {
      const { message, line } = failed(migration, error, "");
      finding(
        line,
        `works once and not again after its own down: ${message}`,
        left ? "let down undo what is named above" : "let down undo all that up does",
      );
      return findings;
    }
    const again = await readRows(db);
    const other = await differences(built, again, "first up", "second up", i + 1);
    if (other && !left) {
      finding(
        up.line,
        `the second up builds something else than the first:\n${other}`,
        "see its down",
      );
    }
    before = again;
  }
  return findings;
}

/** A failed replay as a finding; anything else is thrown on. */
export function failed({ path }: Migration, error: unknown, remedy: string): Finding {
  if (!(error instanceof ReplayFailure)) throw error;
  const [, line, message] = /:(\d+): ([^]*)$/.exec(error.message)!;
  return { path, line: Number(line), message: message!, remedy };
}

/** Whether the down raises. */
export async function refuses(db: Database, migration: Migration): Promise<boolean> {
  try {
    await replay(db, migration, "down");
    return false;
  } catch (error) {
    if (error instanceof ReplayFailure) return true;
    throw error;
  }
}

/**
 * Whether the header owns up to it: a column that comes back comes last, and PostgreSQL has no
 * statement to put it elsewhere.
 */
function losesPlace({ text }: Migration): boolean {
  const header = text.slice(0, text.indexOf("-- migrate:up"));
  return /^-- down loses (?:(?!\n-- [a-z]+:|\n-- up )[^])*\b(?:place|order)\b/m.test(header);
}

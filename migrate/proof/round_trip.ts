import type { Database } from "../../postgres/mod.ts";
import { describeDifferences } from "../catalog/catalog.ts";
import { compareRows } from "../catalog/compare.ts";
import { readDefinitions } from "../catalog/definitions.ts";
import { type CatalogRow, readRows } from "../catalog/rows.ts";
import { compareNormalized } from "../catalog/normalize.ts";
import { counted, type Finding } from "../finding.ts";
import type { Block, Migration } from "../files/migrations.ts";
import type { Rule } from "../rules.ts";
import { build, replay, ReplayFailure, stopsAtRows } from "./replay.ts";
import type { Stage } from "./stage.ts";

/**
 * Each migration up, down and up again on empty tables: the catalogs after down are those of before,
 * the second up gives those of the first. After a fault it goes on from what the ups build; only an
 * up that fails the first time ends it, which its finding says. `history` is built on the stage.
 */
export async function roundTrip(
  stage: Stage,
  history: Migration[],
  migrations: Migration[],
  progress: (migration: Migration) => void,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  /** What differs, in words; `count` migrations after the history build what was expected. */
  const differences = async (
    [expected, found]: [CatalogRow[], CatalogRow[]],
    [left, right]: [string, string],
    count: number,
    { order = true } = {},
  ): Promise<string> => {
    if (compareRows(expected, found).length === 0) return "";
    const earlier = await stage.open();
    try {
      await build(earlier, [...history, ...migrations.slice(0, count)]);
      const all = await compareNormalized(
        earlier,
        { definitions: await readDefinitions(earlier), rows: expected },
        { definitions: await readDefinitions(stage.db), rows: found },
      );
      const counted = order ? all : all.filter(({ kind }) => kind !== "column order");
      return describeDifferences(counted, { expected: left, found: right })
        .replaceAll(/^/gm, "  ").trimEnd();
    } finally {
      await earlier.close();
    }
  };
  let before = await readRows(stage.db);
  for (const [i, migration] of migrations.entries()) {
    progress(migration);
    const { path, down, up } = migration;
    const finding = (line: number, rule: Rule, message: string, remedy: string) =>
      findings.push({ path, line, rule, message, remedy });
    const rebuild = () => stage.restart([...history, ...migrations.slice(0, i + 1)]);
    try {
      await replay(stage.db, migration, "up");
    } catch (error) {
      const rest = migrations.length - i - 1;
      const unproven = rest > 0
        ? `; nothing after it is proven, ${counted(rest, "migration")}`
        : "";
      // The rows are those that migrations put in.
      const ofRows = error instanceof ReplayFailure && stopsAtRows(error.cause);
      const remedy = ofRows ? "give the rows what they need first" : "correct it";
      findings.push(failed(migration, error, "up-fails", `${remedy}${unproven}`));
      return findings;
    }
    const built = await readRows(stage.db);
    if (migration.irreversible) {
      if (!await refuses(stage.db, migration)) {
        const message = "is said to be irreversible, and its down ran";
        finding(down.line, "irreversible", message, "let it raise an exception");
        await rebuild();
      }
      const left = await differences(
        [built, await readRows(stage.db)],
        ["before", "after it"],
        i + 1,
      );
      if (left) {
        const message = `the refused down has changed the schema:\n${left}`;
        finding(down.line, "irreversible", message, "let it raise first");
        await rebuild();
      }
      before = built;
      continue;
    }
    // What undoes nothing is told by its text.
    if (await isEmpty(down)) {
      before = built;
      continue;
    }
    try {
      await replay(stage.db, migration, "down");
    } catch (error) {
      const remedy = "correct it, or say `-- irreversible: <reason>`";
      findings.push(failed(migration, error, "down-fails", remedy));
      if (!down.transaction) await rebuild();
      before = built;
      continue;
    }
    const left = await differences(
      [before, await readRows(stage.db)],
      ["before up", "after down"],
      i,
      { order: !losesPlace(migration) },
    );
    if (left) {
      const message = `down does not restore what was there before up:\n${left}`;
      finding(down.line, "down-leaves", message, "undo what is named here as well");
    }
    try {
      await replay(stage.db, migration, "up");
    } catch (error) {
      const { message, line } = failed(migration, error, "up-again-fails", "");
      finding(
        line,
        "up-again-fails",
        `works once and not again after its own down: ${message}`,
        "let down undo all that up does",
      );
      await rebuild();
      before = built;
      continue;
    }
    const again = await readRows(stage.db);
    const other = await differences([built, again], ["first up", "second up"], i + 1);
    if (other && !left) {
      const message = `the second up builds something else than the first:\n${other}`;
      finding(up.line, "up-again-differs", message, "see its down");
    }
    before = again;
  }
  return findings;
}

/** Whether a block has no statement. */
export async function isEmpty(block: Block): Promise<boolean> {
  const { GrammarError, parseBlock } = await import("../files/grammar.ts");
  try {
    return (await parseBlock(block)).length === 0;
  } catch (error) {
    if (error instanceof GrammarError) return false;
    throw error;
  }
}

/** A failed replay as a finding; anything else is thrown on. */
export function failed(
  { path }: Migration,
  error: unknown,
  rule: Rule,
  remedy: string,
): Finding {
  if (!(error instanceof ReplayFailure)) throw error;
  return { path, line: error.line, rule, message: error.words, remedy };
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

import { type Database, DatabaseError } from "../../postgres/mod.ts";
import { emptyTables, lostData, readData } from "./data.ts";
import { parseBlock } from "../files/grammar.ts";
import type { Finding } from "../finding.ts";
import type { Migration } from "../files/migrations.ts";
import { type Effect, locks, probe } from "./probe.ts";
import { replay, ReplayFailure, stopsAtRows } from "./replay.ts";
import { failed, refuses } from "./round_trip.ts";
import { failingSequences } from "./sequences.ts";
import { fillTables, type Unfilled } from "./rows.ts";
import type { TableShape } from "./rows_query.ts";
import type { Risk } from "./safety.ts";

export interface WithRows {
  findings: Finding[];
  risks: Risk[];
  /** Tables that stayed empty, so that less is proven. */
  unfilled: Unfilled[];
}

/**
 * Each migration up, down and up again on a scratch database with rows in every table, looking at
 * what each statement locks, rewrites and loses. `future` is what the tables come to in the end.
 * `db` must be a session. Ends at the first migration that fails.
 */
export async function withRows(
  db: Database,
  migrations: Migration[],
  future: TableShape[],
): Promise<WithRows> {
  const result: WithRows = { findings: [], risks: [], unfilled: [] };
  const filled = new Map<string, string>();
  const counter = { value: 0 };
  for (const migration of migrations) {
    const { path, up, down } = migration;
    result.unfilled.push(...await fillTables(db, filled, counter, future));
    let held = await readData(db);
    /** Runs a part, without the rows at which its header says that it stops. */
    const passing = async <Result>(part: "up" | "down", run: () => Promise<Result>) => {
      try {
        return await run();
      } catch (error) {
        const stops = new RegExp(`^-- ${part} stops at `, "m").test(migration.text);
        if (!stops || !(error instanceof ReplayFailure) || !stopsAtRows(error.cause)) throw error;
        await emptyTables(db);
        held = await readData(db);
        filled.clear();
        return await run();
      }
    };
    let remedy = "it fails with rows in the tables: give the rows what they need first";
    try {
      const effects = await passing("up", () => probe(db, migration));
      result.risks.push(...judge(migration, effects));
      const lost = lostData(held, await readData(db));
      result.findings.push(...await behind(db, migration, "up"));
      if (lost.length > 0 && !says(migration, "up") && !await writes(migration, "up")) {
        result.risks.push({
          path,
          line: up.line,
          rule: "data-loss",
          message: `up loses ${lost.join(", ")}, and its header does not say so`,
          remedy: "write `-- up loses <what>` above if that is meant",
        });
      }
      if (migration.irreversible) {
        await refuses(db, migration);
        continue;
      }
      await fillTables(db, filled, counter, future);
      held = await readData(db);
      remedy = "its down fails with rows in the tables: say what becomes of them";
      await passing("down", () => replay(db, migration, "down"));
      const gone = lostData(held, await readData(db));
      result.findings.push(...await behind(db, migration, "down"));
      if (gone.length > 0 && !says(migration, "down") && !await writes(migration, "down")) {
        result.findings.push({
          path,
          line: down.line,
          message: `down loses ${gone.join(", ")}, and its header does not say so`,
          remedy: "write `-- down loses <what>` above, or keep the data",
        });
      }
      remedy = "the second up fails with rows in the tables";
      await passing("up", () => replay(db, migration, "up"));
      // What down has emptied holds nothing now, and is filled again before the next one.
      const emptied = (table: string) =>
        gone.some((lost) =>
          lost === `table ${table}` || lost.startsWith(`column ${table}.`) ||
          lost.startsWith(`values of ${table}.`)
        );
      for (const table of filled.keys()) if (emptied(table)) filled.delete(table);
    } catch (error) {
      if (error instanceof DatabaseError) {
        result.findings.push({
          path,
          line: down.line,
          message: `the proof with rows cannot go on from here: ${error.message}`,
          remedy: "keep what it needs, as plpgsql; nothing after it is proven with rows",
        });
        return result;
      }
      result.findings.push(failed(migration, error, remedy));
      return result;
    }
  }
  return result;
}

/** Sequences that give a number which is there already, after a part that may have made them so. */
async function behind(
  db: Database,
  migration: Migration,
  part: "up" | "down",
): Promise<Finding[]> {
  const { path, up: { text } } = migration;
  if (!/serial|identity|sequence|nextval|setval|\btype\b/i.test(text)) return [];
  return (await failingSequences(db)).map((column) => ({
    path,
    line: migration[part].line,
    message: `after ${part} the next insert into ${column.replace(/\.[^.]*$/, "")} fails: ` +
      `the sequence of ${column} gives a number that is there already, or is too large`,
    remedy: "let it go on behind the largest one, by setval",
  }));
}

/** Whether the header says that a part loses something. */
function says({ text }: Migration, part: "up" | "down"): boolean {
  return new RegExp(`^-- ${part} loses (?!nothing)`, "m").test(text);
}

/** Whether a part changes rows by a statement that says so itself. */
async function writes(migration: Migration, part: "up" | "down"): Promise<boolean> {
  const statements = await parseBlock(migration[part]);
  return statements.some(({ kind }) => /^(Update|Delete|Truncate|Merge|Do)Stmt$/.test(kind));
}

function judge(migration: Migration, effects: Effect[]): Risk[] {
  const { path } = migration;
  const risks: Risk[] = [];
  for (const { line, table, lock, rewritten, scanned } of effects) {
    if (rewritten) {
      risks.push({
        path,
        line,
        rule: "rewrite",
        message: `writes all of ${table} anew under ${lock}: nobody reads or writes it meanwhile`,
        remedy: "add a new column, fill it in slices, switch over",
      });
    } else if (scanned && locks.indexOf(lock) >= locks.indexOf("share")) {
      risks.push({
        path,
        line,
        rule: "scan-under-lock",
        message: `reads every row of ${table} while it holds ${lock}: ${
          lock === "access exclusive" ? "readers and writers wait" : "writers wait"
        }`,
        remedy:
          "add it `not valid` and validate it in the next migration, or build it concurrently",
      });
    }
  }
  const undeclared = undeclaredLock(migration, effects);
  return undeclared ? [...risks, undeclared] : risks;
}

/** The strongest lock on a table in use, if the header's `-- lock:` does not name it. */
function undeclaredLock({ path, text }: Migration, effects: Effect[]): Risk | undefined {
  const strength = ({ lock }: Effect) => locks.indexOf(lock);
  const strongest = effects.filter((effect) => strength(effect) > locks.indexOf("row exclusive"))
    .sort((a, b) => strength(b) - strength(a))[0];
  const header = /^-- lock:[^]*?(?=^-- (?:up|down) |^(?!--))/m.exec(text)?.[0] ?? "";
  if (!strongest || header.replaceAll(/\n--/g, "").includes(strongest.lock)) return;
  return {
    path,
    line: strongest.line,
    rule: "undeclared-lock",
    message:
      `takes ${strongest.lock} on ${strongest.table}, and the header's lock line does not say so`,
    remedy: `write \`-- lock: ${strongest.lock} on ${strongest.table}, for how long\` above`,
  };
}

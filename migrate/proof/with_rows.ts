import { type Database, DatabaseError } from "../../postgres/mod.ts";
import { type ColumnData, emptyTables, isRetyped, lostData, readData } from "./data.ts";
import { parseBlock } from "../files/grammar.ts";
import type { Finding } from "../finding.ts";
import type { Migration } from "../files/migrations.ts";
import { parentName } from "../files/sql_text.ts";
import { probe } from "./probe.ts";
import { replay, ReplayFailure, stopsAtRows } from "./replay.ts";
import { risks } from "./risks.ts";
import { failed, isEmpty, refuses } from "./round_trip.ts";
import { failingSequences } from "./sequences.ts";
import { fillTables, type Unfilled } from "./rows.ts";
import { readShapes, type TableShape } from "./rows_query.ts";
import type { Rule } from "../rules.ts";
import type { Stage } from "./stage.ts";

export interface WithRows {
  findings: Finding[];
  /** Tables that stayed empty, so that less is proven. */
  unfilled: Unfilled[];
  /** The files of which every statement was looked at: what is not found there is not so. */
  probed: string[];
}

/**
 * Each migration up, down and up again with rows in every table, looking at what each statement
 * locks, rewrites and loses. `future` is what the tables come to in the end; `history` is built on
 * the stage. After a fault it goes on from what the ups build.
 */
export async function withRows(
  stage: Stage,
  history: Migration[],
  migrations: Migration[],
  future: TableShape[],
): Promise<WithRows> {
  const result: WithRows = { findings: [], unfilled: [], probed: [] };
  const rows: Rows = { filled: new Map(), counter: { value: 0 }, seeded: new Set(), future };
  for (const [i, migration] of migrations.entries()) {
    const rebuild = async (count: number) => {
      await stage.restart({ history, judged: migrations.slice(0, count) });
      rows.filled.clear();
    };
    let fault = await proveOne(stage.db, migration, rows, result);
    // Its own rows beside ours: that ours are in the way is no fault of the migration.
    while (fault && await isCollision(migration, fault.error, rows.seeded)) {
      await rebuild(i);
      fault = await proveOne(stage.db, migration, rows, result);
    }
    if (!fault) continue;
    result.findings.push(failed(migration, fault.error, fault.rule, fault.remedy));
    try {
      await rebuild(i + 1);
    } catch (error) {
      // It fails on empty tables as well, as the trip without rows tells.
      if (error instanceof ReplayFailure) return result;
      throw error;
    }
  }
  // What waited for a table that a later migration makes has its rows by now.
  const filled = (await readShapes(stage.db)).filter(({ stored }) => stored);
  const unfilled = result.unfilled.filter(({ table }) =>
    !filled.some(({ name }) => name === table)
  );
  return { ...result, unfilled };
}

/** The rows that the tables hold. */
interface Rows {
  filled: Map<string, string>;
  counter: { value: number };
  /** Tables into which the migrations put rows with keys of their own: ours would collide. */
  seeded: Set<string>;
  future: TableShape[];
}

interface Fault {
  error: ReplayFailure;
  rule: Rule;
  remedy: string;
}

/** One migration up, down and up. Returns what failed; adds what else it finds. */
async function proveOne(
  db: Database,
  migration: Migration,
  rows: Rows,
  result: WithRows,
): Promise<Fault | undefined> {
  const { path, up, down } = migration;
  const fill = async () => {
    const { filled, counter, future, seeded } = rows;
    result.unfilled.push(...await fillTables(db, filled, counter, future, false, seeded));
  };
  let rule: Rule = "up-fails-with-rows";
  let remedy = "it fails with rows in the tables: give the rows what they need first";
  const recorded = { recorded: true };
  let held: ColumnData[] = [];
  /** Runs a part, without the rows at which its header says that it stops. */
  const passing = async <Result>(part: "up" | "down", run: () => Promise<Result>) => {
    try {
      return await run();
    } catch (error) {
      const stops = new RegExp(`^-- ${part} stops at `, "m").test(migration.text);
      if (!stops || !(error instanceof ReplayFailure) || !stopsAtRows(error.cause)) throw error;
      await emptyTables(db);
      held = await readData(db);
      rows.filled.clear();
      return await run();
    }
  };
  try {
    await fill();
    let failing = await failingAround(db, migration);
    held = await readData(db);
    result.findings.push(
      ...risks(migration, await passing("up", () => probe(db, migration, recorded))),
    );
    // Outside a transaction nothing can be looked at.
    if (up.transaction) result.probed.push(path);
    const built = await readData(db, held);
    const lost = lostData(held, built);
    result.findings.push(...await behind(db, migration, "up", failing));
    if (lost.length > 0 && !says(migration, "up") && !await writes(migration, "up")) {
      result.findings.push({
        path,
        line: up.line,
        rule: "up-loses",
        message: `up loses ${lost.join(", ")}, and its header does not say so`,
        remedy: "write `-- up loses <what>` above if that is meant",
      });
    }
    if (migration.irreversible) {
      await refuses(db, migration);
      return;
    }
    if (await isEmpty(down)) return;
    const tried = rows.counter.value;
    await fill();
    failing = await failingAround(db, migration);
    const isAsRead = rows.counter.value === tried && !isRetyped(held, built);
    held = isAsRead ? built : await readData(db);
    rule = "down-fails-with-rows";
    remedy = "its down fails with rows in the tables: say what becomes of them";
    await passing("down", () => replay(db, migration, "down", recorded));
    const gone = lostData(held, await readData(db, held));
    result.findings.push(...await behind(db, migration, "down", failing));
    if (gone.length > 0 && !says(migration, "down") && !await writes(migration, "down")) {
      result.findings.push({
        path,
        line: down.line,
        rule: "down-loses",
        message: `down loses ${gone.join(", ")}, and its header does not say so`,
        remedy: "write `-- down loses <what>` above, or keep the data",
      });
    }
    rule = "up-fails-with-rows";
    remedy = "the second up fails with rows in the tables";
    await passing("up", () => replay(db, migration, "up", recorded));
    // What down has emptied holds nothing now, and is filled again before the next one.
    const emptied = (table: string) =>
      gone.some((lost) =>
        lost === `table ${table}` || lost.startsWith(`column ${table}.`) ||
        lost.startsWith(`values of ${table}.`)
      );
    for (const table of rows.filled.keys()) if (emptied(table)) rows.filled.delete(table);
  } catch (error) {
    if (error instanceof ReplayFailure) return { error, rule, remedy };
    if (!(error instanceof DatabaseError)) throw error;
    // What the proof itself needs is gone, as plpgsql.
    const lost = new ReplayFailure(
      path,
      down.line,
      `the proof with rows stops: ${error.message}`,
      error,
    );
    return { error: lost, rule, remedy: "keep what it needs" };
  }
}

/**
 * Whether a row that a migration puts in met one of ours: then its table goes into `seeded`. An
 * index or a constraint that rows break is another matter.
 */
async function isCollision(
  migration: Migration,
  { cause, line, words }: ReplayFailure,
  seeded: Set<string>,
): Promise<boolean> {
  const { schema_name: schema, table_name: table } = cause.fields;
  if (cause.code !== "23505" || !table) return false;
  const part = words.startsWith("up") ? "up" : "down";
  const statements = await parseBlock(migration[part]);
  const kind = statements.findLast((statement) => statement.line <= line)?.kind;
  if (!/^(Insert|Copy|Do|Select|Call)Stmt$/.test(kind ?? "") || seeded.has(table)) return false;
  for (const name of [table, `${schema}.${table}`]) seeded.add(name);
  return true;
}

/** The sequences that fail, where a migration may make some do so; else none is asked. */
async function failingAround(db: Database, { up: { text } }: Migration): Promise<string[]> {
  const words = /serial|identity|sequence|nextval|setval|\btype\b/i;
  return words.test(text) ? await failingSequences(db) : [];
}

/** Sequences that give a number which is there already after a part, and did not before it. */
async function behind(
  db: Database,
  migration: Migration,
  part: "up" | "down",
  before: string[],
): Promise<Finding[]> {
  const failing = await failingAround(db, migration);
  return failing.filter((column) => !before.includes(column)).map((column) => ({
    path: migration.path,
    line: migration[part].line,
    rule: "sequence-behind",
    message: `after ${part} the next insert into ${parentName(column)} fails: ` +
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

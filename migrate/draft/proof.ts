import { describeDifferences, type Difference } from "../catalog/catalog.ts";
import { readColumnUses } from "../catalog/dependencies.ts";
import { compareDatabases } from "../catalog/normalize.ts";
import type { Database } from "../../postgres/mod.ts";
import { GrammarError } from "../files/grammar.ts";
import {
  alteredValues,
  type ColumnData,
  emptyTables,
  lostData,
  readData,
  readValues,
  type Values,
} from "../proof/data.ts";
import { type DraftPart, reserved, type State, withSession } from "./draft.ts";
import type { Migration } from "../files/migrations.ts";
import { parentName } from "../files/sql_text.ts";
import { type Effect, probe } from "../proof/probe.ts";
import { replay, ReplayFailure, stopsAtRows } from "../proof/replay.ts";
import { fillTables } from "../proof/rows.ts";
import { failingSequences } from "../proof/sequences.ts";
import { stoppingRows } from "./stops.ts";
import { readShapes } from "../proof/rows_query.ts";

/** What became of a draft when it was run, with rows in the tables. */
export interface Proof {
  /** What is wrong with up, and with down; nothing: it is right. */
  up: string[];
  down: string[];
  /** Of each part: the locks, and what is lost. */
  effects: Effect[][];
  upLoses: string[];
  downLoses: string[];
  /** Of each part the rows at which it stops: how they are found, else what PostgreSQL says of them. */
  upStops: string[][];
  downStops: string[][];
  /** Rows stopped a direction, so that what came after it was tried without any. */
  emptied: boolean;
}

/**
 * Runs a draft up, down and up again on the schema that it starts from, whose scratch database is
 * used up by it, with rows, and compares the catalogs each time, the rows before and after, and
 * whether the next insert would find a number. The order of columns is no fault: PostgreSQL has no
 * statement for it. Nor are rows that stop a direction: they are invented, and the real ones may be
 * others. It goes on without them.
 */
export async function proveDraft(
  before: State,
  after: State,
  parts: DraftPart[],
): Promise<Proof> {
  const proof: Proof = {
    up: [],
    down: [],
    effects: [],
    upLoses: [],
    downLoses: [],
    upStops: [],
    downStops: [],
    emptied: false,
  };
  const said: { up: string[]; down: string[] } = { up: [], down: [] };
  const read = (state: State) =>
    withSession(state.settings, async (db) => ({
      shapes: await readShapes(db),
      keywords: await reserved(db),
      uses: await readColumnUses(db),
    }));
  const [earlier, later] = [await read(before), await read(after)];
  const future = [...later.shapes, ...earlier.shapes];
  await withSession(before.settings, async (db) => {
    const migrations = parts.map(asMigration);
    const counter = { value: 0 };
    const forward = () => {
      proof.effects = [];
      return inSteps(migrations, async (part) => {
        proof.effects.push(await probe(db, part));
      });
    };
    await fillTables(db, new Map(), counter, future, true);
    let failing = await failingSequences(db);
    let held = await readData(db);
    let stopped: { held: ColumnData[]; values: Values } | undefined;
    const emptied = async () => {
      proof.emptied = true;
      stopped = { held, values: await readValues(db) };
      await emptyTables(db);
      held = await readData(db);
    };
    const lost = async () => {
      const gone = lostData(held, await readData(db, held));
      // Where there are no rows any more nobody sees what a type does to them.
      const altered = stopped ? await alteredValues(db, stopped.held, stopped.values) : [];
      stopped = undefined;
      return [...new Set([...altered, ...gone])];
    };
    if (!await succeeds(forward(), emptied, proof.up, said.up)) return;
    proof.upLoses = await lost();
    proof.up.push(...left(await compareDatabases(db, after.catalog, db), "up"));
    if (proof.up.length === 0) proof.up.push(...await misread(db, "up", later.uses));
    proof.up.push(...await behind(db, "up", failing));
    // All tables again: a column may have been emptied without any change of its shape.
    await fillTables(db, new Map(), counter, future, true);
    failing = await failingSequences(db);
    held = await readData(db);
    const back = inSteps(migrations.toReversed(), (part) => replay(db, part, "down"));
    if (!await succeeds(back, emptied, proof.down, said.down)) return;
    proof.downLoses = await lost();
    proof.down.push(
      ...left(await compareDatabases(db, before.catalog, db), "down"),
    );
    if (proof.down.length === 0) proof.down.push(...await misread(db, "down", earlier.uses));
    proof.down.push(...await behind(db, "down", failing));
    await succeeds(forward(), () => emptyTables(db), proof.down, []);
  });
  if (proof.up.length > 0 || proof.down.length > 0) return proof;
  const [from, to] = [before.catalog.definitions, after.catalog.definitions];
  const found = (queries: string[][], said: string[]) =>
    queries.flat().length > 0
      ? queries.map((part) => part.map((query) => `at rows that this finds: ${query}`))
      : queries.map(() =>
        said.map((message) =>
          `at some rows: ${message.replace(/^(?:up|down) fails: /, "").replaceAll(/\s+/g, " ")}`
        )
      );
  const { keywords } = earlier;
  const [up, down] = [parts.map((p) => p.up), parts.map((p) => p.down).toReversed()];
  proof.upStops = found(await stoppingRows(up, from, to, keywords), said.up);
  proof.downStops = found(await stoppingRows(down, to, from, keywords), said.down).toReversed();
  return proof;
}

/** Goes on where it stopped when it is called again: a part that has run stays. */
function inSteps(parts: Migration[], run: (part: Migration) => Promise<void>) {
  const left = [...parts];
  return async () => {
    for (; left.length > 0; left.shift()) await run(left[0]!);
  };
}

/** What a part leaves that reads other columns under the same text: they stand in another order. */
async function misread(db: Database, part: string, expected: string[]): Promise<string[]> {
  const found = await readColumnUses(db);
  const wrong = found.filter((use) => !expected.includes(use));
  const missing = expected.filter((use) => !found.includes(use));
  if (wrong.length + missing.length === 0) return [];
  return [
    `after ${part} ${wrong.join(", ") || "nothing"} instead of ${
      missing.join(", ") || "nothing"
    }: ` +
    "it names columns by their place, and they stand in another order",
  ];
}

/** What is wrong with sequences after a part, and was not before it. */
async function behind(db: Database, part: string, before: string[]): Promise<string[]> {
  const failing = (await failingSequences(db)).filter((column) => !before.includes(column));
  return failing.map((column) =>
    `after ${part} the next insert into ${parentName(column)} fails: ` +
    `the sequence of ${column} gives a number that is there already, or is too large`
  );
}

/** Whether it runs, with the rows that are there or, where these stop it, without any. */
async function succeeds(
  run: () => Promise<void>,
  emptied: (() => Promise<void>) | undefined,
  faults: string[],
  stops: string[],
): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (emptied && error instanceof ReplayFailure && stopsAtRows(error.cause)) {
      stops.push(messageOf(error));
      await emptied();
      return await succeeds(run, undefined, faults, stops);
    }
    faults.push(messageOf(error));
    return false;
  }
}

function isRefusal(error: unknown): error is Error {
  return error instanceof ReplayFailure || error instanceof GrammarError;
}

const messageOf = ({ message }: Error) => message.replace(/^draft:\d+: /, "");

function left(differences: Difference[], part: string): string[] {
  const real = differences.filter(({ kind }) => kind !== "column order");
  if (real.length === 0) return [];
  const names = part === "up"
    ? { expected: "what it leads to", found: "the draft" }
    : { expected: "what it starts from", found: "the draft" };
  return [`${part} leaves a difference:\n${describeDifferences(real, names)}`];
}

function asMigration({ up, down, outside }: DraftPart): Migration {
  const block = (statements: string[]) => ({
    text: statements.join("\n\n"),
    line: 1,
    transaction: !outside,
  });
  return {
    version: "0",
    name: "draft",
    file: "draft",
    path: "draft",
    text: "",
    checksum: "",
    up: block(up),
    down: block(down),
  };
}

import { describeDifferences, type Difference, readCatalog } from "../catalog/catalog.ts";
import { compareSettled } from "../catalog/settle.ts";
import { lostData, readData } from "../proof/data.ts";
import { type DraftPart, type State, withSession } from "./draft.ts";
import type { Migration } from "../files/migrations.ts";
import { type Effect, probe } from "../proof/probe.ts";
import { replay, ReplayFailure } from "../proof/replay.ts";
import { fillTables } from "../proof/rows.ts";
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
}

/**
 * Runs a draft up, down and up again on the schema that it starts from, whose scratch database is
 * used up by it, with rows, and compares the catalogs each time and the rows before and after. The order of columns is no fault:
 * PostgreSQL has no statement for it.
 */
export async function proveDraft(
  before: State,
  after: State,
  parts: DraftPart[],
): Promise<Proof> {
  const proof: Proof = { up: [], down: [], effects: [], upLoses: [], downLoses: [] };
  const future = await withSession(after.settings, readShapes);
  await withSession(before.settings, async (db) => {
    const migrations = parts.map(asMigration);
    const counter = { value: 0 };
    const forward = async () => {
      proof.effects = [];
      for (const migration of migrations) proof.effects.push(await probe(db, migration));
    };
    await fillTables(db, new Map(), counter, future, true);
    const held = await readData(db);
    if (!await succeeds(forward, proof.up)) return;
    proof.upLoses = lostData(held, await readData(db));
    proof.up.push(...left(await compareSettled(db, after.catalog, await readCatalog(db)), "up"));
    // All tables again: a column may have been emptied without any change of its shape.
    await fillTables(db, new Map(), counter, future, true);
    const grown = await readData(db);
    const back = async () => {
      for (const migration of migrations.toReversed()) await replay(db, migration, "down");
    };
    if (!await succeeds(back, proof.down)) return;
    proof.downLoses = lostData(grown, await readData(db));
    proof.down.push(
      ...left(await compareSettled(db, before.catalog, await readCatalog(db)), "down"),
    );
    await succeeds(forward, proof.down);
  });
  return proof;
}

async function succeeds(run: () => Promise<void>, faults: string[]): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    if (!(error instanceof ReplayFailure)) throw error;
    faults.push(error.message.replace(/^draft:\d+: /, ""));
    return false;
  }
}

function left(differences: Difference[], part: string): string[] {
  const real = differences.filter(({ kind }) => kind !== "column order");
  if (real.length === 0) return [];
  return [`${part} does not reach it:\n${describeDifferences(real)}`];
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

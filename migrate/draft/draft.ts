import { connect, type Database, DatabaseError, sql } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { type Catalog, readCatalog } from "../catalog/catalog.ts";
import { compareRows } from "../catalog/compare.ts";
import { type CatalogObject, readDefinitions } from "../catalog/definitions.ts";
import { readRows } from "../catalog/rows.ts";
import { compareDatabases } from "../catalog/settle.ts";
import { difference, type Facts, readFacts } from "./delta.ts";
import { written } from "./text.ts";
import {
  corrected,
  inTransactions,
  withoutReplacedColumns,
  withoutReplacedTables,
} from "./fixups.ts";
import { inTheWay, takenAway } from "./in_the_way.ts";
import { nameOnlySteps, type Steps } from "./renames.ts";
import { repairs } from "./repairs.ts";
import { goingOn, readDrawings } from "../proof/sequences.ts";
import type { Scratch } from "../scratch.ts";

/** One migration of a draft, without its header: statements as they will stand in the file. */
export interface DraftPart {
  up: string[];
  down: string[];
  /** Runs outside of a transaction, alone. */
  outside: boolean;
}

/** A schema in a scratch database. */
export interface State {
  settings: DatabaseSettings;
  catalog: Catalog;
  /** The same as pg-delta reads it, once it has. */
  facts?: Facts;
}

/**
 * Drafts the migrations from one schema to another: what only a person can know first, then what
 * pg-delta finds, corrected, then what it does not see. Nothing here is proven yet. Throws a
 * Failure or DatabaseError where a step of `hint` does not run.
 */
export async function draft(
  scratch: Scratch,
  before: State,
  after: State,
  hint: Steps,
): Promise<DraftPart[]> {
  const { names, ...hinted } = await prepared(scratch, before, hint, after);
  const { groups, keywords } = await withSession(hinted.settings, async (db) => ({
    groups: inTransactions(await between(db, hinted, after)),
    keywords: await reserved(db),
  }));
  const write = (statements: string[]) => statements.map((text) => written(text, keywords));

  const parts: DraftPart[] = [];
  const first = [...hint.up, ...names.up];
  let state: State = hinted;
  for (const group of groups.length > 0 ? groups : [[]]) {
    const settings = await scratch.create(state.settings);
    const statements: string[] = [];
    const last = group === groups.at(-1) || groups.length === 0;
    const reached = await withSession(settings, async (db) => {
      const drafted = group.map(({ text }) => text);
      statements.push(...await completed(db, drafted, last ? after.catalog : undefined));
      return await known(db, after);
    });
    const next = { ...reached, settings };
    // The last state is not needed any more: the way back may change it.
    const used = last ? next : { ...next, settings: await scratch.create(settings) };
    const down = await statementsBetween(used, state);
    parts.push({
      up: write([...parts.length === 0 ? first : [], ...statements]),
      down: write([...down, ...parts.length === 0 ? [...names.down, ...hint.down] : []]),
      outside: group.length === 1 && group[0]!.outside,
    });
    state = next;
  }
  return parts.filter(({ up }) => up.length > 0);
}

/** What a database has: what `other` has, where they are equal, for reading it anew takes long. */
async function known(db: Database, other: State): Promise<Pick<State, "catalog" | "facts">> {
  const rows = await readRows(db);
  if (compareRows(other.catalog.rows, rows).length === 0) return other;
  return { catalog: { definitions: await readDefinitions(db), rows } };
}

/** What the draft starts from: the schema after the steps that are known. */
async function prepared(
  scratch: Scratch,
  before: State,
  hint: Steps,
  after: State,
): Promise<State & { names: Steps }> {
  if (hint.up.length === 0) {
    const names = nameOnlySteps(before.catalog.definitions, after.catalog.definitions);
    if (names.up.length === 0) return { ...before, names };
  }
  const settings = await scratch.create(before.settings);
  return await withSession(settings, async (db) => {
    for (const step of hint.up) await db.script(step);
    const names = nameOnlySteps((await readCatalog(db)).definitions, after.catalog.definitions);
    for (const step of names.up) await db.script(step);
    return { settings, catalog: await readCatalog(db), names };
  });
}

/** The statements from one state, which they are tried on, back to another, repaired as well. */
async function statementsBetween(from: State, to: State): Promise<string[]> {
  return await withSession(from.settings, async (db) => {
    const drafted = (await between(db, from, to)).map(({ text }) => text);
    return await completed(db, drafted, to.catalog);
  });
}

/**
 * Statements in an order in which they run, and what they have missed of the target; of a step on
 * the way, undefined, nothing is missed yet. What never runs comes last, and shows when the draft is
 * proven.
 */
async function completed(db: Database, drafted: string[], target?: Catalog): Promise<string[]> {
  const before = await readDrawings(db);
  const tables = await db.query<{ oid: number }>(
    sql`select oid::int from pg_class where relkind in ('r', 'p')`,
  );
  const statements = target ? await reaching(db, drafted, target) : all(await runAll(db, drafted));
  const moved = goingOn(before, await readDrawings(db), new Set(tables.map(({ oid }) => oid)));
  // What waited for something else may be said twice in a row then.
  return [...statements, ...all(await runAll(db, moved))]
    .filter((text, i, all) => text !== all[i - 1]);
}

/** A statement that waits may need what the draft has missed, or something may be in its way. */
async function reaching(db: Database, drafted: string[], target: Catalog): Promise<string[]> {
  const { done, waiting } = await runAll(db, drafted);
  const gone = new Set<string>();
  for (let left = waiting;;) {
    const known = done.length;
    const missed = await repair(db, target, done);
    done.push(...missed.done);
    const rest = await runAll(db, left);
    const cleared = await clear(db, rest.waiting, gone);
    done.push(...rest.done, ...cleared.done);
    left = cleared.waiting;
    if (known === done.length) return [...done, ...await unmade(db, left), ...missed.waiting];
  }
}

/** Statements without those that make what something else has made by now. */
async function unmade(db: Database, statements: string[]): Promise<string[]> {
  const left: string[] = [];
  for (const statement of statements) {
    const error = await attempt(db, statement);
    // A relation, another object, a column of this name.
    if (!["42P07", "42710", "42701"].includes(error?.code ?? "")) left.push(statement);
  }
  return left;
}

/** Takes away what keeps statements from running, each thing once, and runs them. */
async function clear(db: Database, statements: string[], gone: Set<string>): Promise<Run> {
  const done: string[] = [];
  let waiting = statements;
  while (waiting.length > 0) {
    const objects = await readDefinitions(db);
    const found = new Map<string, CatalogObject>();
    const left: string[] = [];
    for (const statement of waiting) {
      const error = await attempt(db, statement);
      if (error) left.push(statement);
      else done.push(statement);
      for (const object of error ? inTheWay(statement, error, objects) : []) {
        const key = `${object.kind} ${object.name}`;
        if (!gone.has(key)) found.set(key, object);
      }
    }
    waiting = left;
    const away = await runAll(db, [...found.values()].map(takenAway));
    if (away.done.length === 0) break;
    for (const key of found.keys()) gone.add(key);
    done.push(...away.done);
  }
  return { done, waiting };
}

async function between(db: Database, from: State, to: State) {
  const [row] = await db.query<{ role: string }>(sql`select current_user as role`);
  from.facts ??= await readFacts(db);
  to.facts ??= await withSession(to.settings, readFacts);
  const raw = await difference(db, from.facts, to.facts);
  const [a, b] = [from.catalog.definitions, to.catalog.definitions];
  const kept = withoutReplacedColumns(withoutReplacedTables(raw, a, b), a, b);
  return corrected(kept, from.catalog, to.catalog, row!.role);
}

/** What ran, in that order, and what did not. */
interface Run {
  done: string[];
  waiting: string[];
}

const all = ({ done, waiting }: Run) => [...done, ...waiting];

/** Runs what can be run: what something else has to come before, or go before, waits for it. */
async function runAll(db: Database, statements: string[]): Promise<Run> {
  const done: string[] = [];
  let waiting = statements;
  for (let before = -1; waiting.length > 0 && before !== done.length;) {
    before = done.length;
    const failed: string[] = [];
    for (const statement of waiting) {
      if (await attempt(db, statement)) failed.push(statement);
      else done.push(statement);
    }
    waiting = failed;
  }
  // Functions whose bodies name each other: none can be the first.
  if (!waiting.some((text) => /^CREATE (OR REPLACE )?FUNCTION /i.test(text))) {
    return { done, waiting };
  }
  await db.script("set check_function_bodies = off");
  const left: string[] = [];
  for (const statement of waiting) if (await attempt(db, statement)) left.push(statement);
  await db.script("reset check_function_bodies");
  const made = waiting.filter((text) => !left.includes(text));
  const unchecked = made.length > 0 ? ["set local check_function_bodies = off"] : [];
  return { done: [...done, ...unchecked, ...made], waiting: left };
}

/** What keeps a statement from running; nothing: it ran. */
async function attempt(db: Database, statement: string): Promise<DatabaseError | undefined> {
  try {
    await db.script(statement);
  } catch (error) {
    if (error instanceof DatabaseError) return error;
    throw error;
  }
}

/** What a draft has missed. A statement may undo what another has set, so that it takes rounds. */
async function repair(db: Database, target: Catalog, known: string[]): Promise<Run> {
  const done: string[] = [];
  let waiting: string[] = [];
  for (let round = 0; round < 3; round++) {
    const more = repairs(await compareDatabases(db, target, db))
      // What was made, and had to go out of another's way, is made again.
      .filter((text) => text.startsWith("create ") || ![...known, ...done].includes(text));
    const run = await runAll(db, more);
    done.push(...run.done);
    waiting = run.waiting;
    if (run.done.length === 0) break;
  }
  return { done, waiting };
}

/** Names that PostgreSQL takes for something else when they stand without quotes. */
async function reserved(db: Database): Promise<Set<string>> {
  const rows = await db.query<{ word: string }>(
    sql`select word from pg_get_keywords() where catcode <> 'U'`,
  );
  return new Set(rows.map(({ word }) => word));
}

/** Nobody may be connected to a database that is copied: each use has a session of its own. */
export async function withSession<Result>(
  settings: DatabaseSettings,
  use: (db: Database) => Promise<Result>,
): Promise<Result> {
  const db = connect(settings, { session: true, deadline: 120_000 });
  try {
    return await use(db);
  } finally {
    await db.close();
  }
}

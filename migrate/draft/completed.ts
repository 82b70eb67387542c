import { type Database, DatabaseError, sql } from "../../postgres/mod.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { type CatalogObject, readDefinitions } from "../catalog/definitions.ts";
import { compareDatabases } from "../catalog/normalize.ts";
import { emptyTables } from "../proof/data.ts";
import { goingOn, readDrawings } from "../proof/sequences.ts";
import { bare } from "../files/sql_text.ts";
import { inTheWay, takenAway } from "./in_the_way.ts";
import { refilled } from "./kept_rows.ts";
import { repairs } from "./repairs.ts";

/**
 * Statements in an order in which they run, and what they have missed of the target; of a step on
 * the way, undefined, nothing is missed yet. What never runs comes last, and shows when the draft is
 * proven.
 */
export async function completed(
  db: Database,
  drafted: string[],
  target?: Catalog,
): Promise<string[]> {
  // Rows that break a rule would leave its statement, and what waits for it, undone.
  await emptyTables(db);
  const before = await readDrawings(db);
  const read =
    sql`select oid::int, quote_ident(relnamespace::regnamespace::text) || '.' || quote_ident(relname) as name
    from pg_class where relkind in ('r', 'p')`;
  const tables = await db.query<{ oid: number; name: string }>(read);
  const statements = target ? await reaching(db, drafted, target) : all(await runAll(db, drafted));
  const again = refilled(statements).map(bare);
  const filled = again.length === 0 ? [] : (await db.query<{ oid: number; name: string }>(read))
    .filter(({ name }) => again.includes(bare(name)));
  const held = new Set([...tables, ...filled].map(({ oid }) => oid));
  const moved = goingOn(before, await readDrawings(db), held);
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
    const cleared = await clear(db, [...rest.waiting, ...missed.waiting], gone);
    done.push(...rest.done, ...cleared.done);
    left = cleared.waiting.filter((statement) => !missed.waiting.includes(statement));
    if (known === done.length) return [...done, ...await unmade(db, left), ...missed.waiting];
  }
}

/** Statements without those that make what something else has made by now. */
async function unmade(db: Database, statements: string[]): Promise<string[]> {
  const left: string[] = [];
  for (const statement of statements) {
    const error = await attempt(db, statement);
    // A relation, a function, another object, a column of this name.
    if (!["42P07", "42723", "42710", "42701"].includes(error?.code ?? "")) left.push(statement);
  }
  return left;
}

/** Takes away what keeps statements from running, each thing once, and runs them. */
async function clear(db: Database, statements: string[], gone: Set<string>): Promise<Run> {
  const done: string[] = [];
  let waiting = statements;
  // What is in the way, and has something else in its own.
  let blocked: string[] = [];
  while (waiting.length > 0) {
    const objects = await readDefinitions(db);
    const found = new Map<string, CatalogObject>();
    const failed: string[] = [];
    for (const statement of [...blocked, ...waiting]) {
      const error = await attempt(db, statement);
      (error ? failed : done).push(statement);
      for (const object of error ? inTheWay(statement, error, objects) : []) {
        const key = `${object.kind} ${object.name}`;
        if (!gone.has(key)) found.set(key, object);
      }
    }
    const away = await runAll(db, [...found.values()].map(takenAway));
    waiting = failed.filter((statement) => !blocked.includes(statement));
    blocked = [...failed.filter((statement) => blocked.includes(statement)), ...away.waiting];
    if (away.done.length === 0 && found.size === 0) break;
    for (const key of found.keys()) gone.add(key);
    done.push(...away.done);
  }
  return { done, waiting };
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
      .filter((text) => /^create /i.test(text) || ![...known, ...done].includes(text));
    const run = await runAll(db, more);
    done.push(...run.done);
    waiting = run.waiting;
    if (run.done.length === 0) break;
  }
  return { done, waiting };
}

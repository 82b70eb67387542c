import { connect, type Database, DatabaseError, sql } from "../mod.ts";
import type { DatabaseSettings } from "../settings.ts";
import { type CatalogObject, compareCatalogs, type Difference, readCatalog } from "./catalog.ts";
import { difference } from "./delta.ts";
import { written } from "./draft_text.ts";
import { corrected, inTransactions } from "./fixups.ts";
import { nameOnlySteps, type Steps } from "./renames.ts";
import { repairs } from "./repairs.ts";
import type { Scratch } from "./target.ts";

/** One migration of a draft, without its header: statements as they will stand in the file. */
export interface DraftPart {
  up: string[];
  down: string[];
  /** Runs outside of a transaction, alone. */
  outside: boolean;
}

/**
 * Drafts the migrations from one schema to another: what only a person can know first, then what
 * pg-delta finds, corrected, then what it does not see. Nothing here is proven yet. Throws a
 * Failure or DatabaseError where a step of `hint` does not run.
 */
export async function draft(
  scratch: Scratch,
  before: DatabaseSettings,
  after: DatabaseSettings,
  hint: Steps,
): Promise<DraftPart[]> {
  const target = await withSession(after, readCatalog);
  const { settings: hinted, names } = await prepared(scratch, before, hint, target);
  const { groups, keywords } = await withSession(hinted, async (db) => ({
    groups: inTransactions(await between(db, after)),
    keywords: await reserved(db),
  }));
  const write = (statements: string[]) => statements.map((text) => written(text, keywords));

  const parts: DraftPart[] = [];
  let state = hinted;
  const first = [...hint.up, ...names.up];
  for (const group of groups.length > 0 ? groups : [[]]) {
    const next = await scratch.create(state);
    const statements = group.map(({ text }) => text);
    await withSession(next, (db) => runAll(db, statements));
    const last = group === groups.at(-1) || groups.length === 0;
    if (last) statements.push(...await withSession(next, (db) => repair(db, target)));
    // The last state is not needed any more: the way back may change it.
    const down = await way(last ? next : await scratch.create(next), state);
    parts.push({
      up: write([...parts.length === 0 ? first : [], ...statements]),
      down: write([...down, ...parts.length === 0 ? [...names.down, ...hint.down] : []]),
      outside: group.length === 1 && group[0]!.outside,
    });
    state = next;
  }
  return parts.filter(({ up }) => up.length > 0);
}

/** What the draft starts from: the schema after the steps that are known. */
async function prepared(
  scratch: Scratch,
  before: DatabaseSettings,
  hint: Steps,
  target: CatalogObject[],
): Promise<{ settings: DatabaseSettings; names: Steps }> {
  let settings = before;
  if (hint.up.length > 0) {
    settings = await scratch.create(before);
    await withSession(settings, (db) => db.script(hint.up.join(";\n")));
  }
  const names = nameOnlySteps(await withSession(settings, readCatalog), target);
  if (names.up.length > 0) {
    if (settings === before) settings = await scratch.create(before);
    await withSession(settings, (db) => db.script(names.up.join(";\n")));
  }
  return { settings, names };
}

/** The statements from one state, which they are tried on, back to another, repaired as well. */
async function way(from: DatabaseSettings, to: DatabaseSettings): Promise<string[]> {
  const target = await withSession(to, readCatalog);
  return await withSession(from, async (db) => {
    const statements = (await between(db, to)).map(({ text }) => text);
    await runAll(db, statements);
    return [...statements, ...await repair(db, target)];
  });
}

async function between(from: Database, to: DatabaseSettings) {
  const [row] = await from.query<{ role: string }>(sql`select current_user as role`);
  const raw = await withSession(to, (db) => difference(from, db));
  return corrected(raw, await readCatalog(from), row!.role);
}

/** Runs what can be run: what fails here shows when the draft is proven. */
async function runAll(db: Database, statements: string[]) {
  for (const statement of statements) {
    try {
      await db.script(statement);
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
    }
  }
}

async function repair(db: Database, target: CatalogObject[]): Promise<string[]> {
  const differences: Difference[] = compareCatalogs(target, await readCatalog(db));
  const statements = repairs(differences, target);
  await runAll(db, statements);
  return statements;
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

import { connect, type Database, sql } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { type Catalog, readCatalog } from "../catalog/catalog.ts";
import { compareRows } from "../catalog/compare.ts";
import { type CatalogObject, readDefinitions } from "../catalog/definitions.ts";
import { equalInMeaning } from "../catalog/normalize.ts";
import { readRows } from "../catalog/rows.ts";
import { difference, type Facts, inWordsOf, readFacts } from "./delta.ts";
import { written } from "./text.ts";
import { corrected, inTransactions } from "./fixups.ts";
import { withoutReplacedColumns, withoutReplacedTables } from "./replaced.ts";
import { completed } from "./completed.ts";
import { together, withKeptRows } from "./kept_rows.ts";
import { nameOnlySteps, type Steps } from "./renames.ts";
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
  const detour = await withValuesOfOld(scratch, hinted, after);
  if (detour) {
    const steps = { up: [...hint.up, ...names.up], down: [...names.down, ...hint.down] };
    const none = { up: [], down: [] };
    return [
      ...await draft(scratch, before, detour, steps),
      ...await draft(scratch, detour, after, none),
    ];
  }
  const { groups, keywords } = await withSession(hinted.settings, async (db) => ({
    groups: inTransactions(await between(db, hinted, after)),
    keywords: await reserved(db),
  }));
  const write = (statements: string[]) =>
    statements.flatMap((text) => text.split(together)).map((text) => written(text, keywords));

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

/**
 * What is between, where the way back adds a value to an enum and uses it: that takes a transaction
 * of its own, so a migration of its own, which goes from `after` with that value to `after`.
 */
async function withValuesOfOld(
  scratch: Scratch,
  before: State,
  after: State,
): Promise<State | undefined> {
  const [a, b] = [before.catalog.definitions, after.catalog.definitions];
  if (!lacksValues(a, b)) return;
  const back = (await withSession(after.settings, (db) => between(db, after, before)))
    .map(({ text }) => text);
  const value = (text: string) => /^ALTER TYPE .* ADD VALUE ('(?:[^']|'')*')/.exec(text)?.[1];
  const used = back.filter((text) => {
    const label = value(text);
    return label && back.some((other) => !value(other) && other.includes(label));
  });
  if (used.length === 0) return;
  const settings = await scratch.create(after.settings);
  return await withSession(settings, async (db) => {
    for (const text of used) await db.script(text);
    return { settings, catalog: await readCatalog(db) };
  });
}

/** Whether an enum of both has lost a value. */
function lacksValues(before: CatalogObject[], after: CatalogObject[]): boolean {
  const labels = ({ ddl }: CatalogObject): string[] =>
    / as enum \(.*\)$/s.exec(ddl)?.[0].match(/'(?:[^']|'')*'/g) ?? [];
  return before.some((type) => {
    const now = after.find(({ kind, name }) => kind === "type" && name === type.name);
    return type.kind === "type" && now &&
      labels(type).some((label) => !labels(now).includes(label));
  });
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

async function between(db: Database, from: State, to: State) {
  const [row] = await db.query<{ role: string }>(sql`select current_user as role`);
  from.facts ??= await readFacts(db);
  to.facts ??= await withSession(to.settings, readFacts);
  const same = await equalInMeaning(db, from.catalog.rows, to.catalog.rows);
  const raw = await difference(db, from.facts, inWordsOf(from.facts, to.facts, same));
  const [a, b] = [from.catalog.definitions, to.catalog.definitions];
  const kept = withKeptRows(withoutReplacedColumns(withoutReplacedTables(raw, a, b), a, b), a, b);
  return corrected(kept, from.catalog, to.catalog, row!.role);
}

/** Names that PostgreSQL takes for something else when they stand without quotes. */
export async function reserved(db: Database): Promise<Set<string>> {
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
  const db = connect(settings, { session: true, deadlineMs: 120_000 });
  try {
    return await use(db);
  } finally {
    await db.close();
  }
}

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
  const trip = new Trip(stage, history, migrations);
  let before: CatalogRow[] | undefined = await readRows(stage.db);
  for (const [i, migration] of migrations.entries()) {
    progress(migration);
    before = await trip.run(i, before);
    if (!before) break;
  }
  return trip.findings;
}

class Trip {
  readonly findings: Finding[] = [];

  constructor(
    readonly stage: Stage,
    readonly history: Migration[],
    readonly migrations: Migration[],
  ) {}

  /** Gives the catalog that the next one starts from; undefined where this one's up fails. */
  async run(i: number, before: CatalogRow[]): Promise<CatalogRow[] | undefined> {
    const { stage, migrations } = this;
    const migration = migrations[i]!;
    try {
      await replay(stage.db, migration, "up", { recorded: true });
    } catch (error) {
      const rest = migrations.length - i - 1;
      const unproven = rest > 0
        ? `; nothing after it is proven, ${counted(rest, "migration")}`
        : "";
      // The rows are those that migrations put in.
      const ofRows = error instanceof ReplayFailure && stopsAtRows(error.cause);
      const remedy = ofRows ? "give the rows what they need first" : "correct it";
      this.findings.push(failed(migration, error, "up-fails", `${remedy}${unproven}`));
      return undefined;
    }
    const built = await readRows(stage.db);
    if (migration.irreversible) {
      await this.#refuse(i, built);
      return built;
    }
    // What undoes nothing is told by its text.
    return await isEmpty(migration.down) ? built : await this.#reverse(i, before, built);
  }

  /** The down of one that is said to be irreversible raises, and changes nothing before. */
  async #refuse(i: number, built: CatalogRow[]) {
    const { stage } = this;
    const migration = this.migrations[i]!;
    const { line } = migration.down;
    if (!await refuses(stage.db, migration)) {
      const message = "is said to be irreversible, and its down ran";
      this.#report(migration, line, "irreversible", message, "let it raise an exception");
      await this.#rebuild(i);
    }
    const both: Catalogs = [built, await readRows(stage.db)];
    const left = await this.#differences(both, ["before", "after it"], i + 1);
    if (!left) return;
    const message = `the refused down has changed the schema:\n${left}`;
    this.#report(migration, line, "irreversible", message, "let it raise first");
    await this.#rebuild(i);
  }

  /** Down and up again. Gives the catalog that it leaves. */
  async #reverse(i: number, before: CatalogRow[], built: CatalogRow[]): Promise<CatalogRow[]> {
    const { stage } = this;
    const migration = this.migrations[i]!;
    const { down, up } = migration;
    try {
      await replay(stage.db, migration, "down", { recorded: true });
    } catch (error) {
      const remedy = "correct it, or say `-- irreversible: <reason>`";
      this.findings.push(failed(migration, error, "down-fails", remedy));
      if (!down.transaction) await this.#rebuild(i);
      return built;
    }
    const reverted: Catalogs = [before, await readRows(stage.db)];
    const order = !losesPlace(migration);
    const left = await this.#differences(reverted, ["before up", "after down"], i, { order });
    if (left) {
      const message = `down does not restore what was there before up:\n${left}`;
      const remedy = "undo what is named here as well";
      this.#report(migration, down.line, "down-leaves", message, remedy);
    }
    try {
      await replay(stage.db, migration, "up");
    } catch (error) {
      const rule = "up-again-fails";
      const { message, line } = failed(migration, error, rule, "");
      const twice = `works once and not again after its own down: ${message}`;
      this.#report(migration, line, rule, twice, "let down undo all that up does");
      await this.#rebuild(i);
      return built;
    }
    const again = await readRows(stage.db);
    const other = await this.#differences([built, again], ["first up", "second up"], i + 1);
    if (other && !left) {
      const message = `the second up builds something else than the first:\n${other}`;
      this.#report(migration, up.line, "up-again-differs", message, "see its down");
    }
    return again;
  }

  #report({ path }: Migration, line: number, rule: Rule, message: string, remedy: string) {
    this.findings.push({ path, line, rule, message, remedy });
  }

  /** The stage as the ups of all up to this one build it. */
  async #rebuild(i: number) {
    await this.stage.restart({
      history: this.history,
      judged: this.migrations.slice(0, i + 1),
    });
  }

  /** What differs, in words; `count` migrations after the history build what was expected. */
  async #differences(
    [expected, found]: Catalogs,
    [left, right]: [string, string],
    count: number,
    { order = true } = {},
  ): Promise<string> {
    if (compareRows(expected, found).length === 0) return "";
    const { stage, history, migrations } = this;
    const earlier = await stage.open();
    try {
      await build(earlier, { history, judged: migrations.slice(0, count) });
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
  }
}

/** What was expected, and what was found. */
type Catalogs = [CatalogRow[], CatalogRow[]];

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

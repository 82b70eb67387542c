import { type Database, sql } from "../../postgres/mod.ts";
import { GrammarError, parseBlock, type ParsedStatement } from "../files/grammar.ts";
import type { Block, Migration } from "../files/migrations.ts";
import { renewSession, replay, replayInSession, requireRecord } from "./replay.ts";

/** What one statement did to a table that was there before its migration began. */
export interface Effect {
  line: number;
  /** What the statement does: its kind, such as IndexStmt; of an `alter table`, what its steps do. */
  steps: string[];
  table: string;
  isPartition: boolean;
  /** The strongest lock that the transaction holds on it, in words: `access exclusive`. */
  lock: string;
  /** Whether this statement is the first with that lock on it. */
  taken: boolean;
  /** Whether the table was written anew, row by row. */
  rewritten: boolean;
  /** Whether every row was read. */
  scanned: boolean;
}

interface Observation {
  oid: number;
  name: string;
  isPartition: boolean;
  lock: string | null;
  filenode: number;
  scans: number;
}

/** From the weakest to the strongest, as PostgreSQL's manual calls them. */
export const locks = [
  "access share",
  "row share",
  "row exclusive",
  "share update exclusive",
  "share",
  "share row exclusive",
  "exclusive",
  "access exclusive",
];

/**
 * Applies a migration to a scratch database and looks after each statement at the locks that its
 * transaction holds, at rewritten tables and at scans. A block without a transaction is only
 * applied: what it runs concurrently cannot be looked at from inside. With `recorded` it fails also
 * where dbmate could not record it. Throws a ReplayFailure.
 */
export async function probe(
  db: Database,
  migration: Migration,
  { recorded = false } = {},
): Promise<Effect[]> {
  const { up } = migration;
  const statements = up.transaction ? await parsed(up) : undefined;
  if (!statements) {
    await replay(db, migration, "up", { recorded });
    return [];
  }
  const effects: Effect[] = [];
  let before = new Map((await observe(db)).map((seen) => [seen.oid, seen]));
  const existing = before;
  await db.script("begin");
  try {
    for (const parsed of statements) {
      const { text, line } = parsed;
      const statement = { ...migration, up: { text, line, transaction: false } };
      await replayInSession(db, statement, "up");
      // `set transaction` may come before any query, ours too.
      if (/^(VariableSet|Transaction)Stmt$/.test(parsed.kind)) continue;
      const now = await observe(db);
      for (const seen of now) {
        const was = before.get(seen.oid);
        if (!existing.has(seen.oid) || !was || seen.lock === null) continue;
        const effect = {
          line,
          steps: stepsOf(parsed),
          table: existing.get(seen.oid)!.name,
          isPartition: seen.isPartition,
          lock: seen.lock,
          taken: seen.lock !== was.lock,
          rewritten: seen.filenode !== was.filenode,
          scanned: seen.scans > was.scans,
        };
        if (effect.taken || effect.rewritten || effect.scanned) effects.push(effect);
      }
      before = new Map(now.map((seen) => [seen.oid, seen]));
    }
    if (recorded) await requireRecord(db, migration, "up");
    // What is deferred is looked at here.
    const end = { ...migration, up: { text: "commit", line: up.line, transaction: false } };
    await replayInSession(db, end, "up");
    return effects;
  } finally {
    await renewSession(db, up.text);
  }
}

/** Of an `alter table`, its steps and the constraints that they add, be it with a column. */
function stepsOf({ kind, fields }: ParsedStatement): string[] {
  if (kind !== "AlterTableStmt") return [kind];
  return (fields.cmds as Step[]).flatMap(({ AlterTableCmd: { subtype, def } }) => [
    ...[def, ...def?.ColumnDef?.constraints ?? []]
      .map((node) => node?.Constraint?.contype).filter((type) => type !== undefined),
    subtype,
  ]);
}

interface Step {
  AlterTableCmd: {
    subtype: string;
    def?: Constrained & { ColumnDef?: { constraints?: Constrained[] } };
  };
}

interface Constrained {
  Constraint?: { contype: string };
}

/** The statements; undefined where PostgreSQL itself has to say what is wrong. */
async function parsed(block: Block): Promise<ParsedStatement[] | undefined> {
  try {
    return await parseBlock(block);
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
  }
}

async function observe(db: Database): Promise<Observation[]> {
  const order = JSON.stringify(locks);
  const rows = await db.query<Observation>(sql`
    select c.oid::int, c.oid::regclass::text as name, c.relfilenode::int as filenode,
      c.relispartition as "isPartition",
      pg_stat_get_xact_numscans(c.oid)::int as scans,
      (select words from pg_locks l
        cross join lateral (select trim(lower(regexp_replace(
          replace(l.mode, 'Lock', ''), '([A-Z])', ' \\1', 'g'))) as words) w
        join json_array_elements_text(${order}::text::json) with ordinality o(name, strength)
          on o.name = words
        where l.locktype = 'relation' and l.relation = c.oid and l.pid = pg_backend_pid()
          and l.granted
        order by strength desc limit 1) as lock
    from pg_class c
    where c.relkind in ('r', 'm') and c.oid >= 16384
      and c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
  `);
  return rows;
}

import { type Database, DatabaseError, sql } from "../../postgres/mod.ts";
import { explained, keepRecord, unknownOption } from "../advice.ts";
import { versionsPlace } from "../bookkeeping.ts";
import { Failure } from "../command.ts";
import type { Parted } from "../files/baseline.ts";
import { waiting } from "../files/form.ts";
import type { Block, Migration } from "../files/migrations.ts";
import { environment } from "../project.ts";
import { onDatabase } from "./own_database.ts";

/** A block that the scratch database refused, with the file and the line. */
export class ReplayFailure extends Failure {
  override name = "ReplayFailure";
  constructor(
    readonly path: string,
    readonly line: number,
    /** What is wrong, without the place. */
    readonly words: string,
    override readonly cause: DatabaseError,
  ) {
    super(`${path}:${line}: ${words}`);
  }
}

/**
 * Runs one part of a migration on a scratch database as `up` and `down` let dbmate run it: in a
 * session of its own. `db` must be a session; it is as new afterwards. With `recorded` it fails also
 * where dbmate could not record it. Throws a ReplayFailure.
 */
export async function replay(
  db: Database,
  migration: Migration,
  part: "up" | "down",
  { recorded = false } = {},
) {
  try {
    await replayInSession(db, migration, part, recorded);
  } finally {
    await renewSession(db, migration[part].text);
  }
}

/** Takes back what a script has left to a session, without the price of another connection. */
export async function renewSession(db: Database, script: string) {
  await db.script("rollback; reset session authorization; reset all; discard temp; close all");
  if (!/\bprepare\b/i.test(script)) return;
  // Not the client's own.
  const prepared = await db.query<{ name: string }>(sql`
    select quote_ident(name) as name from pg_prepared_statements where from_sql`);
  for (const { name } of prepared) await db.script(`deallocate ${name}`);
}

/**
 * Runs one part of a migration in the session as it is, in the way of dbmate: in a transaction,
 * unless it says transaction:false. Without dbmate, whose start would cost more than the work; it
 * keeps no record of what ran. Throws a ReplayFailure.
 */
export async function replayInSession(
  db: Database,
  migration: Migration,
  part: "up" | "down",
  recorded = false,
) {
  const { transaction } = migration[part];
  const text = await onDatabase(db, migration[part]);
  if (/\bcopy\b/i.test(text)) await refuseWaiting(migration, part);
  const [begin, commit] = transaction ? ["begin;", ";commit"] : ["", ""];
  // The end on a line of its own: the last one may be a comment.
  const script = `${begin}${text}\n${recorded ? "" : commit}`;
  try {
    await db.script(script);
    if (recorded) {
      await requireRecord(db, migration, part);
      await db.script(commit);
    }
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    if (transaction) await db.script("rollback");
    const line = await refusedLine(db, { ...migration[part], text }, script, error);
    const words = `${part} fails: ${explained(error)}${serverHint(error)}`;
    throw new ReplayFailure(migration.path, line, words, error);
  }
}

/**
 * dbmate records a block in the block's own session, in whose search_path it looks for its table.
 * Throws a ReplayFailure where it would find none.
 */
export async function requireRecord(db: Database, migration: Migration, part: "up" | "down") {
  const { schema, name } = versionsPlace();
  const [row] = await db.query<{ home: string; found: boolean }>(sql`
    select home, exists (
      select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relname = ${name} and n.nspname = home
    ) as found
    from (select coalesce(${schema ?? null}, current_schema(), 'public') as home) place`);
  if (row!.found) return;
  const message = `dbmate records it in ${row!.home}.${name}, which is not there; ${keepRecord}`;
  const cause = new DatabaseError(message, "42P01", undefined, {});
  const { line } = migration[part];
  throw new ReplayFailure(migration.path, line, `${part} fails: ${message}`, cause);
}

/** The line where the server says it, as `up` names it, else that of the statement. */
async function refusedLine(
  db: Database,
  block: Block,
  script: string,
  { fields }: DatabaseError,
): Promise<number> {
  const { likelyLine, lineAt } = await import("../files/grammar.ts");
  const at = lineAt(script, Number(fields.position ?? 0));
  if (at > 0) return block.line + at - 1;
  return block.transaction ? await failingLine(db, block) : await likelyLine(block);
}

/** A `copy` that waits for data would take the connection with it. */
async function refuseWaiting(migration: Migration, part: "up" | "down") {
  const { GrammarError, parseBlock } = await import("../files/grammar.ts");
  try {
    for (const statement of await parseBlock(migration[part])) {
      const fault = waiting(statement);
      if (!fault) continue;
      const cause = new DatabaseError(fault.message, "0A000", undefined, {});
      const words = `${part} fails: ${fault.message}; ${fault.remedy}`;
      throw new ReplayFailure(migration.path, statement.line, words, cause);
    }
  } catch (error) {
    // The server says what it thinks of the text.
    if (!(error instanceof GrammarError)) throw error;
  }
}

/** What the scratch server lacks and the real one may have. */
function serverHint({ message }: DatabaseError): string {
  if (/^schema ".*" does not exist/.test(message)) {
    return "; what a script makes before dbmate runs can be named as `prepare` in the configuration, and a search_path belongs into DATABASE_URL";
  }
  const lacks =
    /^extension ".*" is not available|^could not (load library|access file) /.test(message) ||
    /^(role|language|tablespace|access method) ".*" does not exist/.test(message) ||
    unknownOption(message);
  if (!lacks) return "";
  return environment().SCRATCH_DATABASE_URL
    ? "; the server of SCRATCH_DATABASE_URL lacks it: install it there, or name another server"
    : "; SCRATCH_DATABASE_URL names a server that has it, whose role may create databases";
}

/** The line of the statement that fails, run anew: most errors carry no position. */
export async function failingLine(
  db: Database,
  block: Pick<Block, "text" | "line">,
): Promise<number> {
  const { GrammarError, parseBlock } = await import("../files/grammar.ts");
  await db.script("begin");
  try {
    for (const { text, line } of await parseBlock(block)) {
      try {
        await db.script(text);
      } catch (error) {
        if (error instanceof DatabaseError) return line;
        throw error;
      }
    }
  } catch (error) {
    if (error instanceof GrammarError) return error.line;
    throw error;
  } finally {
    await db.script("rollback");
  }
  return block.line;
}

/**
 * Replays the up part of each, in order. The history shares a session, as where
 * dbmate applies it to an empty database, and what a file leaves to the next is there; a file that
 * fails there is tried in a new one, as in the next of the runs by which it was applied in its time.
 * Throws a ReplayFailure.
 */
export async function build(db: Database, { history, judged }: Parted) {
  const texts = history.map(({ up }) => up.text).join("\n");
  try {
    for (const [i, migration] of history.entries()) {
      try {
        await replayInSession(db, migration, "up");
      } catch (error) {
        if (!(error instanceof ReplayFailure) || i === 0 || !migration.up.transaction) throw error;
        await renewSession(db, texts);
        await replayInSession(db, migration, "up");
      }
    }
  } finally {
    if (history.length > 0) await renewSession(db, texts);
  }
  for (const migration of judged) await replay(db, migration, "up");
}

/** Whether rows made it fail: a value that does not fit (class 22), a rule that one breaks (23). */
export function stopsAtRows({ code }: DatabaseError): boolean {
  return /^2[23]/.test(code);
}

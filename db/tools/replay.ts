import { type Database, DatabaseError } from "../mod.ts";
import { Failure } from "./command.ts";
import type { Migration } from "./migration_files.ts";

/** A block that the scratch database refused, with the file and the line. */
export class ReplayFailure extends Failure {
  override name = "ReplayFailure";
  constructor(message: string, override readonly cause: DatabaseError) {
    super(message);
  }
}

/**
 * Runs one part of a migration on a scratch database in the way of dbmate: in a transaction, unless
 * it says transaction:false. Without dbmate, whose start would cost more than the work; it keeps no
 * record of what ran. `db` must have one connection only. Throws a ReplayFailure.
 */
export async function replay(db: Database, migration: Migration, part: "up" | "down") {
  const { text, transaction, line } = migration[part];
  const opening = transaction ? "begin;" : "";
  try {
    // The end on a line of its own: the last one may be a comment.
    await db.script(`${opening}${text}\n${transaction ? ";commit" : ""}`);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    if (transaction) await db.script("rollback");
    const position = Number(error.fields.position ?? 0) - 1 - opening.length;
    const at = line + (position > 0 ? text.slice(0, position).split("\n").length - 1 : 0);
    throw new ReplayFailure(
      `${migration.path}:${at}: ${part} fails: ${error.message}${
        error.fields.detail ? ` (${error.fields.detail})` : ""
      }`,
      error,
    );
  }
}

/** Replays the up part of each, in order. */
export async function build(db: Database, migrations: Migration[]) {
  for (const migration of migrations) await replay(db, migration, "up");
}

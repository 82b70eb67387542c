import { connect, type Database, DatabaseError } from "../postgres/mod.ts";
import type { DatabaseSettings } from "../postgres/settings.ts";
import { exit, Failure } from "./command.ts";

/** A database's name as SQL has to have it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Does something to databases as a whole, from the server's database `postgres`. A refusal of the
 * role becomes a Failure that says which right is missing.
 */
export async function maintenance<Result>(
  settings: DatabaseSettings,
  work: (db: Database) => Promise<Result>,
): Promise<Result> {
  const db = connect({ ...settings, database: "postgres" }, { size: 1, deadlineMs: 300_000 });
  try {
    return await work(db);
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== "42501") throw error;
    throw new Failure(
      `${error.message}: ${settings.user} needs the right createdb and has to own the database`,
      exit.unreachable,
    );
  } finally {
    await db.close();
  }
}

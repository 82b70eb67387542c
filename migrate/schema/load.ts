import type { Database, DatabaseError } from "../../postgres/mod.ts";
import { versionsTable, versionsTableName } from "../bookkeeping.ts";
import { quoteName } from "../databases.ts";
import { lineAt } from "../files/grammar.ts";
import { sqlPattern } from "../files/sql_text.ts";
import { failingLine } from "../proof/replay.ts";

/** A schema file without psql's own commands, which pg_dump writes; lines stay where they are. */
export function withoutPsql(text: string): string {
  return text.replace(/^\\(un)?restrict\b.*$/gm, "");
}

/** A schema that has to be new. */
const createdSchema = sqlPattern(
  String.raw`^create schema (?!if\b|authorization\b)(<name>)`,
  "gim",
);

/** Loads a schema file, which may bring dbmate's table and the schema `public` along. */
export async function loadSchema(db: Database, text: string) {
  await db.script(`drop table if exists ${versionsTableName()}`);
  const { schema } = versionsTable();
  if (schema) await db.script(`drop schema if exists ${quoteName(schema)}`);
  // A scratch database has those of the search_path already.
  for (const [, made] of text.matchAll(createdSchema)) {
    await db.script(`drop schema if exists ${made} cascade`);
  }
  await db.script(text);
}

/** The line of a schema file at which a database that is still empty refuses it. */
export async function refusedLine(
  db: Database,
  text: string,
  { fields }: DatabaseError,
): Promise<number> {
  return lineAt(text, Number(fields.position ?? 0)) || await failingLine(db, { text, line: 1 });
}

import type { Database } from "../../postgres/mod.ts";
import { versionsTable, versionsTableName } from "../bookkeeping.ts";
import { quoteName } from "../databases.ts";

/** A schema file without psql's own commands, which pg_dump writes; lines stay where they are. */
export function withoutPsql(text: string): string {
  return text.replace(/^\\(un)?restrict\b.*$/gm, "");
}

/** Loads a schema file, which may bring dbmate's table and the schema `public` along. */
export async function loadSchema(db: Database, text: string) {
  await db.script(`drop table if exists ${versionsTableName()}`);
  const { schema } = versionsTable();
  if (schema) await db.script(`drop schema if exists ${quoteName(schema)}`);
  // A scratch database has those of the search_path already.
  for (const [, made] of text.matchAll(/^create schema ("?\w+"?);/gim)) {
    await db.script(`drop schema if exists ${made} cascade`);
  }
  await db.script(text);
}

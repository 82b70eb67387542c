import type { Database } from "../../postgres/mod.ts";
import { versionsTableName } from "../bookkeeping.ts";

/** A schema file without psql's own commands, which pg_dump writes; lines stay where they are. */
export function withoutPsql(text: string): string {
  return text.replace(/^\\(un)?restrict\b.*$/gm, "");
}

/** Loads a schema file, which may bring dbmate's table and the schema `public` along. */
export async function loadSchema(db: Database, text: string) {
  await db.script(`drop table if exists ${versionsTableName()}`);
  if (/^create schema public;/im.test(text)) await db.script("drop schema public cascade");
  await db.script(text);
}

import { type Database, DatabaseError, sql } from "../postgres/mod.ts";

/** The name of the key by which `deno task dev` lets in requests without one. */
export const devKeyName = "deno task dev";

/** Says after a change of the schema that `deno task dev`, which runs on that server, lost its key. */
export async function noteLostKey(
  { db, say, serverOwner }: {
    db: Database;
    say(text: string): void;
    serverOwner?: string;
  },
) {
  if (!serverOwner?.startsWith("deno task dev,") || await hasDevKey(db)) return;
  say("`deno task dev` answers 401 if it serves this database, where its key is gone: restart it");
}

async function hasDevKey(db: Database): Promise<boolean> {
  try {
    return (await db.query(sql`select from keys where name = ${devKeyName}`)).length > 0;
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== "42P01") throw error;
    return false;
  }
}

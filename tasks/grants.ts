import { join } from "node:path";
import { type Database, DatabaseError, sql } from "../postgres/mod.ts";
import { root } from "./root.ts";

/**
 * Grants the application's role what db/grants.sql says, in a database on which db/roles.sql was run,
 * so that a release's new table can be used at once. Idempotent. A grant that fails is reported and
 * stops nothing, because the migrations are applied already.
 */
export async function grant({ db, say }: { db: Database; say(text: string): void }) {
  const [row] = await db.query<{ used: boolean }>(sql`
    select exists (
      select
      from pg_namespace n, aclexplode(n.nspacl) a
      where n.nspname = 'public' and a.grantee = to_regrole('slate_app')
    ) as used`);
  if (!row!.used) return;
  try {
    await db.script(await Deno.readTextFile(join(root, "db", "grants.sql")));
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    say(`db/grants.sql could not be run (${error.message}): run it as the tables' owner`);
  }
}

import { type Database, sql } from "../postgres/mod.ts";

/** The versions that dbmate has recorded, oldest first. */
export function listAppliedVersions(db: Database): Promise<{ version: string }[]> {
  return db.read(sql`
    select version
    from schema_migrations
    order by version`);
}

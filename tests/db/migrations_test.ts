import { assert, assertEquals } from "@std/assert";
import { sql } from "../../postgres/mod.ts";
import { createDatabase } from "../support/database.ts";

Deno.test("every table that the migrations build is granted to the application, but for dbmate's", async () => {
  await using database = await createDatabase();
  const tables = await database.db.query<{ name: string; granted: boolean }>(sql`
    select c.relname as name, has_table_privilege('slate_app', c.oid, 'insert') as granted
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'`);
  const forgotten = tables.filter(({ granted }) => !granted).map(({ name }) => name);
  assertEquals(forgotten, ["schema_migrations"], "grant it in db/grants.sql");
  assert(tables.length > 1);
});

import { assertEquals } from "@std/assert";
import { sql } from "../db/mod.ts";
import { createDatabase } from "./database.ts";

Deno.test("the migrations build the tables of the contract and no other", async () => {
  await using database = await createDatabase();
  const tables = await database.db.query<{ relname: string }>(sql`
    select relname from pg_class
    where relnamespace = 'public'::regnamespace and relkind = 'r'
    order by relname collate "C"
  `);
  assertEquals(tables.map((t) => t.relname), [
    "idempotency_keys",
    "keys",
    "schema_migrations",
    "students",
    "todos",
    "users",
  ]);
});

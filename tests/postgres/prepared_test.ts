/** Prepared statements that a server does not keep. */
import { assertEquals } from "@std/assert";
import { connect, sql } from "../../postgres/mod.ts";
import { testServer } from "../support/database.ts";
import { echo, severalUnderWay, until } from "../support/pool.ts";
import { range } from "../support/writes.ts";

Deno.test("a server that has lost a statement, and keeps them otherwise, is used as before", async () => {
  const warnings: string[] = [];
  const db = connect(testServer(), { size: 4, warn: (text) => warnings.push(text) });
  for (const lost of range(2)) {
    // What is lost is seen where it is used again.
    await until(async () => {
      const before = await Promise.all(range(8).map((n) => echo(db, n)));
      assertEquals(before, range(8));
      await Promise.all(range(8).map(() => db.query(sql`deallocate all`)));
      return !await severalUnderWay(db);
    });
    await until(() => severalUnderWay(db));
    assertEquals(warnings, [], `${lost}`);
  }
  await db.close();
});

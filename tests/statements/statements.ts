/** `deno task statements`: rewrites db/statements.sql from what the queries send. */
import { join } from "node:path";
import { createDatabase } from "../support/database.ts";
import { sendEveryQuery } from "../support/every_request.ts";
import { findQueries } from "../support/queries.ts";
import { root } from "../support/root.ts";
import { statementTexts } from "../support/statement_texts.ts";

Deno.test("db/statements.sql is written", async () => {
  await using database = await createDatabase();
  const text = statementTexts(await findQueries(), await sendEveryQuery(database.db));
  await Deno.writeTextFile(join(root, "db", "statements.sql"), text);
});

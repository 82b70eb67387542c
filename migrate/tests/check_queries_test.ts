import { assertEquals, assertMatch } from "@std/assert";
import { checkQueries } from "../../tasks/queries.ts";
import { createDatabase, testServer } from "../../tests/support/database.ts";
import { untilLeft } from "../../tests/support/locks.ts";

Deno.test("check: a query that a migration has left behind is found", async () => {
  await using database = await createDatabase();
  await database.db.script("alter table users rename column years_old to age");
  // A database that is copied must have no connection.
  await database.db.close();
  await untilLeft(database.settings);
  const found = await checkQueries(testServer(), database.settings);
  assertEquals([...new Set(found.map(({ path }) => path))], ["db/users.ts"]);
  const messages = found.map(({ message }) => message).sort();
  assertEquals(messages.length, 2, messages.join("\n"));
  assertEquals(
    messages[0],
    'createUser, updateUser: column "years_old" of relation "users" does not exist',
  );
  assertMatch(messages[1]!, /^listUsers, getUser, getMe, .*: column t\.years_old does not exist$/);
});

Deno.test("check: a required column that an insert leaves out is found", async () => {
  await using database = await createDatabase();
  await database.db.script(
    "alter table users add column badge text not null default ''; alter table users alter badge drop default",
  );
  await database.db.close();
  await untilLeft(database.settings);
  const found = await checkQueries(testServer(), database.settings);
  assertEquals(found.map(({ path, message }) => [path, message]), [
    ["db/keys.ts", "installKey: inserts no badge into users, required and without default"],
    ["db/users.ts", "createUser: inserts no badge into users, required and without default"],
  ]);
});

/** The roles of db/roles.sql. That they are enough, every test of the API proves: it runs as one. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DatabaseError, sql } from "../../postgres/mod.ts";
import { root } from "../support/root.ts";
import { runDb } from "../support/command.ts";
import { asApplication, connectPatiently, createDatabase } from "../support/database.ts";

const refused = "42501";

/** The SQLSTATE that the text ends by. */
async function stateOf(work: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => work, DatabaseError)).code;
}

Deno.test("roles: the migrator creates as the owner; the application can neither change the schema nor read the ledger", async () => {
  await using database = await createDatabase({ empty: true });
  await database.db.script(await Deno.readTextFile(`${root}/db/roles.sql`));
  const password = crypto.randomUUID();
  await database.db.script(`alter role slate_migrator password '${password}'`);
  const migrator = { ...database.settings, user: "slate_migrator", password };
  const up = await runDb(["up"], { settings: migrator });
  assertEquals(up.code, 0, up.stderr);
  const owners = await database.db.query(sql`
    select distinct relowner::regrole::text as owner from pg_class
    where relnamespace = 'public'::regnamespace`);
  assertEquals(owners, [{ owner: "slate_owner" }]);
  const ledger = await database.db.query(sql`select distinct role from migration_ledger`);
  assertEquals(ledger, [{ role: "slate_migrator" }]);

  // An exclusion constraint needs it in its migration, as docs/tutorial.md has it.
  const owner = connectPatiently(migrator, { size: 1 });
  await owner.script("create extension btree_gist; drop extension btree_gist");
  await owner.close();

  // `up` has run db/grants.sql already.
  const application = { user: "slate_app", password: Deno.env.get("TEST_APP_PASSWORD") };
  const db = connectPatiently({ ...database.settings, ...application }, { size: 1 });
  assertEquals(await db.query(sql`select id from users`), []);
  for (
    const text of [
      "create table mine ()",
      "alter table users add column mine text",
      "drop table users",
      "truncate users",
      "create index on users (id)",
      "set role slate_owner",
      "select from migration_ledger",
      "delete from migration_ledger",
      "insert into schema_migrations (version) values ('1')",
      "delete from schema_migrations",
      "copy users to program 'true'",
    ]
  ) assertEquals(await stateOf(db.script(text)), refused, text);
  assertEquals((await db.query(sql`select version from schema_migrations`)).length > 10, true);
  await db.close();

  // What grants.sql gives is not taken for a change by hand.
  const drift = await runDb(["drift"], { settings: migrator });
  assertEquals(drift.code, 0, drift.stdout + drift.stderr);
});

Deno.test("roles: the application's sessions begin with their timeouts", async () => {
  await using database = await createDatabase();
  const db = connectPatiently(asApplication(database), { size: 1 });
  const settings = await db.query<{ name: string; setting: string }>(sql`
    select name, setting from pg_settings
    where name like '%\_timeout' and source = 'user' order by name`);
  assertEquals(Object.fromEntries(settings.map(({ name, setting }) => [name, setting])), {
    idle_in_transaction_session_timeout: "5000",
    idle_session_timeout: "900000",
    lock_timeout: "5000",
    statement_timeout: "30000",
  });
  await db.close();
});

Deno.test("roles: the files contain no password", async () => {
  for (const name of ["roles", "grants"]) {
    const text = await Deno.readTextFile(`${root}/db/${name}.sql`);
    assertEquals(/^[^-]*password/m.test(text), false);
    assertStringIncludes(text, "slate_app");
  }
});

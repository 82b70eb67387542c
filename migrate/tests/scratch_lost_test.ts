/** What a command says and leaves when the scratch server ends its sessions under it. */
import { assertEquals, assertMatch } from "@std/assert";
import { connect, sql } from "../../postgres/mod.ts";
import { databaseUrl } from "../../postgres/settings.ts";
import { migration } from "../../tests/support/command.ts";
import { startAsking } from "../../tests/support/database.ts";
import { untilFound } from "../../tests/support/project.ts";
import { createForeign } from "./support.ts";

/** It stands still in the middle of its work while there is a role `hold`. */
const slow = migration(
  `create role scratch_made; create table t (id int); grant select on t to scratch_named;
do $$ begin
  while exists (select from pg_roles where rolname = 'hold') loop perform pg_sleep(0.05); end loop;
end $$;`,
  "drop table t; drop role scratch_made;",
);

Deno.test("a scratch session that is ended, and all of them at once, are told with a way out; no database and no role stays", async (t) => {
  await using server = await startAsking();
  const db = connect(server.settings, { session: true });
  await using project = await createForeign({ "001_slow.sql": slow });
  const left = () =>
    db.query<{ name: string }>(sql`
      select datname as name from pg_database where datname like 'scratch_%'
      union all select rolname from pg_roles where rolname like 'scratch_%'`);
  const ended = {
    "one that works": "datname like 'scratch_%' and state = 'active'",
    "all of them": "true",
  };
  try {
    for (const [what, which] of Object.entries(ended)) {
      await t.step(what, async () => {
        await db.script("create role hold");
        const running = project.run(["check"], {
          SCRATCH_DATABASE_URL: databaseUrl(server.settings),
        });
        await untilFound(() =>
          db.query(sql`select from pg_stat_activity where query like '%pg_sleep(0.05)%'
            and state = 'active' and pid <> pg_backend_pid()`)
        );
        const text = `select pg_terminate_backend(pid) from pg_stat_activity
          where backend_type = 'client backend' and pid <> pg_backend_pid() and ${which}`;
        await db.script(text);
        await db.script("drop role hold");
        const { code, stderr } = await running;
        assertEquals(code, 3, stderr);
        assertMatch(stderr, /: the scratch server ended it, .*: run it again, or unset SCRATCH_/);
        assertEquals(stderr.trim().split("\n").length, 1, stderr);
        assertEquals(await left(), []);
      });
    }
  } finally {
    await db.close();
  }
});

import { assertEquals, assertMatch } from "@std/assert";
import { compareCatalogs, describeDifferences, readCatalog } from "../catalog/catalog.ts";
import { compareNormalized } from "../catalog/normalize.ts";
import { withSession } from "../draft/draft.ts";
import { schemaText } from "../schema/text.ts";
import { openProject } from "../project.ts";
import { createDatabase } from "../../tests/support/database.ts";

// As the command does, whose heading names what the project calls it.
await openProject();

const everyKind = await Deno.readTextFile(new URL("./fixtures/every_kind.sql", import.meta.url));
const schemaFile = new URL("../../db/schema.sql", import.meta.url);

Deno.test("db/schema.sql is what the migrations build, to the letter", async () => {
  await using database = await createDatabase();
  assertEquals(await schemaText(database.db), await Deno.readTextFile(schemaFile));
});

Deno.test("db/schema.sql, loaded into an empty database, gives the catalogs of the migrations", async () => {
  await using migrated = await createDatabase();
  await using loaded = await createDatabase({ empty: true });
  await loaded.db.script(await Deno.readTextFile(schemaFile));
  assertEquals(compareCatalogs(await readCatalog(migrated.db), await readCatalog(loaded.db)), []);
});

Deno.test("a schema with every kind of object is written so that it loads and is equal", async () => {
  await using original = await createDatabase({ empty: true });
  await using loaded = await createDatabase({ empty: true });
  await original.db.script(everyKind);
  const text = await schemaText(original.db);
  await loaded.db.script(text);
  await withSession(loaded.settings, async (db) => {
    const [expected, found] = [await readCatalog(original.db), await readCatalog(db)];
    assertEquals(describeDifferences(await compareNormalized(db, expected, found)), "");
  });
  assertEquals(await schemaText(loaded.db), text);
});

Deno.test("a condition in a condition is equal to what schema.sql makes of it, another one is not", async () => {
  await using original = await createDatabase({ empty: true });
  await using loaded = await createDatabase({ empty: true });
  // `between` is two conditions in one, which a dump writes without its parentheses.
  await original.db.script(`
    create table t (a integer check (a is not null and a between 1 and 9), b integer);
    create index t_b on t (b) where b > 0 and (a < 5 and b < 7);
    create view v as select a from t where a > 0 and (b > 0 and b < 9 or (a = 1 or b = 2));
    create policy p on t using (a > 0 or (b = 0 or b = 1));`);
  await loaded.db.script(await schemaText(original.db));
  const differences = (settings: typeof loaded.settings) =>
    withSession(settings, async (db) => {
      const [expected, found] = [await readCatalog(original.db), await readCatalog(db)];
      return (await compareNormalized(db, expected, found)).map(({ name }) => name);
    });
  assertEquals(await differences(loaded.settings), []);
  await loaded.db.script(
    "drop index t_b; create index t_b on t (b) where b > 0 and (a < 5 or b < 7)",
  );
  assertEquals(await differences(loaded.settings), ["public.t_b"]);
});

/** A change to the schema with every kind of object, and what the difference must name. */
const changes: [string, RegExp][] = [
  ["alter table people alter column took type interval hour", /~ column public\.people\.took/],
  ["alter table people alter column price set default 2", /~ column public\.people\.price/],
  ["alter table people alter column price drop default", /~ column public\.people\.price/],
  ["alter table people alter column body set not null", /~ column public\.people\.body/],
  ["alter table people alter column id set generated always", /~ column public\.people\.id/],
  ["alter table people alter column id set increment by 7", /~ column public\.people\.id/],
  [
    "alter table people alter column body set storage main",
    /~ storage of public\.people\.body/,
  ],
  [
    "alter table people alter column nick set statistics 9",
    /\+ statistics target of public\.people\.nick/,
  ],
  ['alter table animals alter column name type text collate "POSIX"', /~ column public\.animals/],
  ["alter table people add column extra text", /\+ column public\.people\.extra/],
  [
    "alter table scratch drop column a; alter table scratch add column a integer",
    /~ column order public\.scratch/,
  ],
  ["alter table scratch set logged", /~ table public\.scratch/],
  ["alter table scratch reset (fillfactor)", /~ table public\.scratch/],
  ["alter table animals set schema school", /- table public\.animals/],
  ["alter table people validate constraint people_body_check", /~ constraint .*people_body_check/],
  ["alter table people drop constraint people_price_check", /- constraint .*people_price_check/],
  [
    "alter table people alter constraint people_team_id_fkey not deferrable",
    /~ constraint .*people_team_id_fkey/,
  ],
  ["alter table people rename constraint people_nick_key to x", /- constraint .*people_nick_key/],
  ["alter index people_include_idx rename to renamed", /- index public\.people_include_idx/],
  [
    "update pg_index set indisvalid = false where indexrelid = 'people_trgm_idx'::regclass",
    /~ index public\.people_trgm_idx/,
  ],
  ["comment on index people_trgm_idx is 'other'", /~ comment on index public\.people_trgm_idx/],
  ["alter sequence tickets increment by 9", /~ sequence public\.tickets/],
  ["alter sequence teams_id_seq owned by none", /- owning column of .*teams_id_seq/],
  ["alter type mood add value 'new'", /~ type public\.mood/],
  ["alter type mood rename value 'sad' to 'blue'", /~ type public\.mood/],
  ["alter type address add attribute zip text", /~ type public\.address/],
  ["alter domain quantity drop not null", /~ domain public\.quantity/],
  ["alter domain email drop constraint email_check", /~ domain public\.email/],
  [
    "create or replace function note_change() returns trigger language plpgsql as 'begin return null; end'",
    /~ function public\.note_change/,
  ],
  ["alter function school.initials(text, text) volatile", /~ function school\.initials/],
  ["alter table people enable trigger people_off", /- state of .*people_off/],
  ["drop trigger people_note on people", /- trigger public\.people\.people_note/],
  ["drop rule people_quiet on teams", /- rule public\.teams\.people_quiet/],
  [
    "create or replace view nicknames as select id, nick, false as teamed from people",
    /~ view public\.nick/,
  ],
  ["alter view school.adults reset (security_barrier)", /~ view school\.adults/],
  ["drop materialized view moods", /- materialized view public\.moods/],
  [
    "alter table people no force row level security",
    /- forced row level security of public\.people/,
  ],
  ["alter policy people_read on people using (true)", /~ policy public\.people\.people_read/],
  ["alter table teams replica identity default", /- replica identity of public\.teams/],
  ["drop statistics people_stats", /- statistics public\.people_stats/],
  ["revoke insert on people from pg_monitor", /~ grant on table public\.people to pg_monitor/],
  [
    "revoke update (nick) on people from pg_monitor",
    /- grant on column nick of table public\.people/,
  ],
  [
    "grant execute on function school.initials(text, text) to public",
    /- revoke on function school\.init.* from public/,
  ],
  ["grant create on schema public to pg_monitor", /\+ grant on schema public to pg_monitor/],
  [
    "alter default privileges in schema school revoke select on tables from pg_monitor",
    /- default grant on tables in schema school to pg_monitor/,
  ],
  ["alter publication changes drop table teams", /~ publication changes/],
  [
    "alter text search configuration plain_words drop mapping for word",
    /~ text search configuration public\.plain/,
  ],
  ["drop cast (mood as integer)", /- cast public\.mood as integer/],
  ["drop event trigger guard", /- event trigger guard/],
  ["drop extension pg_trgm cascade", /- extension pg_trgm/],
  ["alter table events detach partition events_2026", /- partition public\.events_2026/],
  ["alter table dogs no inherit school.animals", /~ table public\.dogs/],
  ["comment on column people.born is 'new'", /\+ comment on column public\.people\.born/],
  ["comment on table people is null", /- comment on table public\.people/],
  ["alter table people rename column born to birth", /- column public\.people\.born/],
  ["alter table people drop column took", /- column public\.people\.took/],
];

Deno.test("a change of any kind shows in the difference of two snapshots, under its name", async () => {
  await using database = await createDatabase({ empty: true });
  await withSession(database.settings, async (db) => {
    await db.script("set plan_cache_mode = force_generic_plan");
    await db.script(everyKind);
    let before = await readCatalog(db);
    for (const [change, expected] of changes) {
      await db.script(change).catch((error) => {
        throw new Error(`${change}: ${error.message}`);
      });
      const after = await readCatalog(db);
      const difference = describeDifferences(compareCatalogs(before, after));
      assertMatch(difference, expected, `${change}\n${difference}`);
      before = after;
    }
  });
});

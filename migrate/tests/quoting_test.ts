/** Names that have to be quoted, or that read as something else than they are. */
import { assertEquals, assertMatch } from "@std/assert";
import { describeDifferences } from "../catalog/catalog.ts";
import { compareDatabases } from "../catalog/normalize.ts";
import { asBaseline } from "../commands/squash.ts";
import { quoteName } from "../databases.ts";
import { draft, type State, withSession } from "../draft/draft.ts";
import { proveDraft } from "../draft/proof.ts";
import { checkForm } from "../files/form.ts";
import { parse } from "../files/migrations.ts";
import { schemaText } from "../schema/text.ts";
import { openScratch, type Scratch } from "../scratch.ts";
import { migration } from "../../tests/support/command.ts";
import { createProject } from "../../tests/support/project.ts";
import { dump, dumps } from "./pg_dump.ts";
import { stateOf } from "./support.ts";

/** Names of schemas, words of SQL, and what has a meaning in SQL, in a list or in a pattern. */
const names = [
  "public",
  "Public",
  "information_schema",
  "select",
  "user",
  "table",
  "References",
  "a.b",
  "public.t",
  "a b",
  'a"b',
  '"',
  "it's",
  "$1",
  "a$b$c",
  "$$",
  "x, y",
  "f(x)",
  "a;b",
  "-- a",
  "/* a",
  "a\\b",
  "ärger",
  " not null",
  "a owned by b",
  "a default 1",
];

/**
 * Each kind of thing. `<n>` is its name, `<n x>` another one that begins with it, `<s>` its schema;
 * `<'n'>` and `<'s.n'>` are the same as texts.
 */
const kinds: string[] = [
  // A table and its parts, what may be called as a table is, and views of it.
  `
    create table <s>.<n> (id serial primary key, <n> serial, "of" int default 1, owner name default current_user);
    alter table <s>.<n> add constraint <n> check (<n> > 0 and "of" > 0);
    alter table <s>.<n> add foreign key ("of") references <s>.<n> (id);
    alter table <s>.<n> alter column <n> set statistics 7, alter "of" set (n_distinct = 3);
    create function <s>.<n>() returns trigger language plpgsql as $f$ begin return new; end $f$;
    create trigger <n> before update of <n> on <s>.<n> for each row
      when (old.<n> is distinct from new.<n>) execute function <s>.<n>();
    create policy <n> on <s>.<n>
      using (<n> > 0 and exists (select from <s>.<n> o where o.id = <n>.id));
    create rule <n r> as on delete to <s>.<n> do also select 1;
    create statistics <s>.<n> on id, <n> from <s>.<n>;
    create index <n i> on <s>.<n> (id, (<n> + 1)) include (<n>) where <n> > 1;
    create view <s>.<n v> as
      select <n>.<n>, b.id as <n x>, <n>.id from <s>.<n> <n> join <s>.<n> b on b.id = <n>.id;
    create materialized view <s>.<n m> as select <n>.<n>, <n m>.id from <s>.<n> <n>, <s>.<n> <n m>;
    create unique index <n j> on <s>.<n m> (<n>);
    create text search dictionary <s>.<n> (template = simple);
    create text search configuration <s>.<n> (copy = pg_catalog.simple);
    alter text search configuration <s>.<n> alter mapping replace simple with <s>.<n>;
    create collation <s>.<n> (provider = icu, locale = 'de');
    create table <s>.<n t> (a text collate <s>.<n> default <'n'>, check (to_tsvector(<'s.n'>, a) is not null));
    create publication <n s> for table <s>.<n> (id, <n>) where (id > 1);
    comment on table <s>.<n> is <'n'>;
    comment on column <s>.<n>.<n> is <'n'>;
    comment on constraint <n> on <s>.<n> is <'n'>;
    comment on trigger <n> on <s>.<n> is <'n'>;
    comment on policy <n> on <s>.<n> is <'n'>;
    comment on index <s>.<n i> is <'n'>;
    comment on function <s>.<n>() is <'n'>;
    comment on view <s>.<n v> is <'n'>;
    comment on column <s>.<n v>.<n> is <'n'>;
    comment on collation <s>.<n> is <'n'>;
    grant select (<n>) on <s>.<n> to public;
    grant select on <s>.<n> to public;`,
  // A foreign table, its server and wrapper.
  `
    create foreign data wrapper <n s>;
    create server <n s> foreign data wrapper <n s> options (<n> <'n'>);
    create foreign table <s>.<n> (a int options (<n> <'n'>)) server <n s> options (<n> <'n'>);
    create user mapping for public server <n s> options (<n> <'n'>);
    comment on server <n s> is <'n'>;`,
  // A view, and one that selects from it.
  `
    create view <s>.<n> as select 1 as <n>;
    create view <s>.<n v> as select <n>.<n> from <s>.<n>;`,
  // A sequence of a column.
  `
    create sequence <s>.<n> start 5;
    create table <s>.<n t> (<n> int default nextval(<'s.n'>));
    alter sequence <s>.<n> owned by <s>.<n t>.<n>;
    comment on sequence <s>.<n> is <'n'>;`,
  // An enum, and an index and functions that are called as it is.
  `
    create type <s>.<n> as enum (<'n'>, 'b');
    create table <s>.<n t> (a <s>.<n> not null default <'n'>,
      b <s>.<n>[] default array[<'n'>::<s>.<n>], check (a = <'n'> or a = 'b'));
    create index <n> on <s>.<n t> (a);
    create function <s>.<n>(<n> <s>.<n>) returns setof <s>.<n> language sql as $f$ select $1 $f$;
    create function <s>.<n>(<n> int default 1, out <n o> text) language sql
      as $f$ select 'public.' || 'costs 3$' $f$;
    create procedure <s>.<n p>(<n> int) language sql begin atomic; select <s>.<n>(<n>); end;
    create aggregate <s>.<n a>(int) (sfunc = int4pl, stype = int);
    alter table <s>.<n t> add c text default <s>.<n>(1);
    comment on type <s>.<n> is <'n'>;
    comment on index <s>.<n> is <'n'>;
    comment on function <s>.<n>(int) is <'n'>;
    grant execute on function <s>.<n>(int) to public;
    revoke execute on procedure <s>.<n p>(int) from public;`,
  // A composite type.
  `
    create type <s>.<n> as (<n> int, b text);
    create table <s>.<n t> (a <s>.<n>, check ((a).<n> > 0));
    comment on column <s>.<n>.<n> is <'n'>;`,
  // A domain and its constraint.
  `
    create domain <s>.<n> as text default <'n'> constraint <n> check (value <> <'n'>);
    create table <s>.<n t> (a <s>.<n> default <'n'>);
    comment on domain <s>.<n> is <'n'>;
    comment on constraint <n> on domain <s>.<n> is <'n'>;`,
  // A range.
  `
    create type <s>.<n> as range (subtype = int4, multirange_type_name = <s>.<n m>);
    create table <s>.<n t> (a <s>.<n>, b <s>.<n m>, exclude using gist (a with &&));`,
  // A partitioned table.
  `
    create table <s>.<n> (<n> int not null) partition by range (<n>);
    create table <s>.<n p> partition of <s>.<n> for values from (1) to (9);
    create index <n i> on <s>.<n> (<n>);`,
];

function written(kind: string, name: string, schema: string): string {
  const text = (of: string) => `'${of.replaceAll("'", "''")}'`;
  return kind.replaceAll(/<(s|'n'|'s\.n'|n( \w)?)>/g, (_, what: string, end = "") => {
    if (what === "s") return quoteName(schema);
    if (what === "'n'") return text(name);
    if (what === "'s.n'") return text(`${quoteName(schema)}.${quoteName(name)}`);
    // What has no schema has the schema's name in its own.
    return quoteName(name + end + (what === "n s" ? schema : ""));
  });
}

/** Every kind under a fourth of the names, each in a schema of a name of its own. */
function everywhere(): string {
  return kinds.map((kind, i) => {
    const schema = names[2 * i + 1]!;
    const some = names.filter((_, j) => j % 4 === i % 4);
    const all = some.map((name) => written(kind, name, schema));
    return `create schema ${quoteName(schema)};${all.join("")}`;
  }).join("");
}

/** A kind in the schema `public` itself, called so, and under some of the names. */
function atHome(kind: string, place: number): string {
  const some = names.filter((name, i) => name === "public" || i % kinds.length === place);
  return some.map((name) => written(kind, name, "public")).join("");
}

/** What is wrong with what schema.sql says of a schema, and with a baseline of it. */
async function faultsOf(scratch: Scratch, { settings, catalog }: State): Promise<string[]> {
  const text = await withSession(settings, (db) => schemaText(db));
  const loaded = await scratch.create();
  const left = await withSession(loaded, async (db) => {
    await db.script(text);
    return describeDifferences(await compareDatabases(db, catalog, db));
  });
  if (await dumps()) assertEquals(await dump(loaded), await dump(settings));
  const form = await checkForm(asBaseline([first, first], text, ""));
  return [...left ? [left] : [], ...form.map(({ message }) => message)];
}

const first = parse(
  "20260101000000_first.sql",
  new TextEncoder().encode(migration("select 1;")),
).migration!;

Deno.test("schema.sql, and squash's baseline, say each kind of thing under each name so that it comes back the same, as pg_dump sees it too", async (t) => {
  await using scratch = await openScratch();
  await t.step("in schemas of such names", async () => {
    assertEquals(await faultsOf(scratch, await stateOf(scratch, everywhere())), []);
  });
  for (const [i, kind] of kinds.entries()) {
    const [what] = /(?<=create )[a-z ]+\b/.exec(kind)!;
    await t.step(`in the schema public: ${what}`, async () => {
      assertEquals(await faultsOf(scratch, await stateOf(scratch, atHome(kind, i))), []);
    });
  }
});

Deno.test("diff drafts a table, a sequence and an enum under such names, up and down", async () => {
  await using scratch = await openScratch();
  for (const kind of [kinds[0]!, kinds[3]!, kinds[4]!]) {
    const script = ["public", 'a"b, c.d'].map((name) => written(kind, name, "public"));
    const [from, to] = [await stateOf(scratch, "select"), await stateOf(scratch, script.join(""))];
    const { up, down } = await proveDraft(
      from,
      to,
      await draft(scratch, from, to, { up: [], down: [] }),
    );
    assertEquals([...up, ...down], []);
  }
});

Deno.test("drift finds nothing in what dbmate applied under such names, and names what was changed by hand", async () => {
  const up = written(kinds[0]!, "public", "public") + written(kinds[3]!, "x, y", "public");
  await using project = await createProject({ "001_names.sql": migration(up, "select 1;") });
  assertEquals((await project.dbmate("up")).code, 0);
  const { code, stdout, stderr } = await project.run("drift");
  assertEquals([code, stdout], [0, ""], stderr);
  await project.db.script('alter sequence "x, y" owned by public.public');
  const changed = await project.run("drift");
  assertEquals(changed.code, 1);
  assertMatch(changed.stdout, /[~+-] owning column of .*"x, y"/);
});

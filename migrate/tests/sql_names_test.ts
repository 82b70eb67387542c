/** Where a text of SQL is read by the names in it: in quotes and without, with all that they may hold. */
import { assertEquals } from "@std/assert";
import { quoteName } from "../databases.ts";
import { draft, withSession } from "../draft/draft.ts";
import { proveDraft } from "../draft/proof.ts";
import { parse } from "../files/migrations.ts";
import { namesOf, outsideQuotes, sqlPattern } from "../files/sql_text.ts";
import { rolesOf } from "../files/surroundings.ts";
import { loadSchema } from "../schema/load.ts";
import { openScratch } from "../scratch.ts";
import { migration } from "../../tests/support/command.ts";
import { stateOf } from "./support.ts";

/** What changes under each name: where statements are read again, they are read by their names. */
const changing = (text: string, size: number, more: number, [own, other]: string[]) => `
  create type <n e> as enum ('a', 'b');
  create type <n f> as enum ('a', 'b');
  create table <n> (id int primary key, <n> varchar(${size}), c ${text},
    g int generated always as (id + ${more}) stored, e ${own} default 'a');
  create index ${other} on <n> (<n>) where <n> > '';
  create view <n v> as select <n>, c from <n>;
  create function <n>() returns trigger language plpgsql as $f$ begin return new; end $f$;
  create trigger <n> before update of c on <n> for each row
    when (old.c is distinct from new.c) execute function <n>();
  create policy <n> on <n> using (c > ${more});
  create statistics <n s> on c, id from <n>;
  create table <n p> (<n> int, b text) ${more > 1 ? "partition by list (<n>)" : ""};
  ${more > 1 ? "create table <n d> partition of <n p> default;" : ""}
  create table <n q> (a int);
  create table <n r> (a int) ${more > 1 ? "inherits (<n q>)" : ""};`;

function under(text: string, name: string): string {
  return text.replaceAll(/<n( \w)?>/g, (_, end = "") => quoteName(name + end));
}

Deno.test("diff changes what is under such names, and keeps its rows, and back", async () => {
  const odd = ['a"b.c; -- d', "é $1) alter column x type"];
  const all = (text: string) => odd.map((name) => under(text, name)).join("");
  const before = all(changing("int", 20, 1, ["<n e>", "<n i>"]));
  const after = all(changing("bigint", 30, 2, ["<n f>", "<n j>"]));
  await using scratch = await openScratch();
  const [from, to] = [await stateOf(scratch, before), await stateOf(scratch, after)];
  const parts = await draft(scratch, from, to, { up: [], down: [] });
  const proof = await proveDraft(from, to, parts);
  const { up, down, upLoses, downLoses, emptied } = proof;
  assertEquals([up, down, upLoses, downLoses, emptied], [[], [], [], [], false]);
  // The text and the number that are too long for what they were.
  assertEquals(proof.downStops.flat().length, 2 * odd.length);
  // A cast would cut off what an assignment refuses.
  assertEquals(
    parts.flatMap(({ down }) => down).filter((text) => /varchar\(20\) using/.test(text)),
    [],
  );
});

const plain = ["é", "a$b", "_1", "ærø", '"a""b"', '"a.b"', '"a b"', '"a;b"', '"-- a"', '"$1"'];

Deno.test("a pattern of SQL knows each name that PostgreSQL takes, with quotes and without", async () => {
  for (const name of plain) {
    const found = sqlPattern("^alter table (<path>) add (<name>) (<word>) default (<text>)$")
      .exec(`alter table ${name}.${name} add ${name} ${name}[] default ';''"'`);
    assertEquals(found?.slice(1), [`${name}.${name}`, name, `${name}[]`, `';''"'`]);
    assertEquals(namesOf(`${name}.b`), [name.replaceAll(/^"|"$/g, "").replaceAll('""', '"'), "b"]);
  }
  await using scratch = await openScratch();
  await withSession(await scratch.create(), async (db) => {
    const made = plain.map((name) => `create schema ${name};\n`).join("");
    await db.script(`create schema "é"; create schema "a$b";`);
    await loadSchema(db, made);
  });
});

Deno.test("a dollar in a name opens no quotes, and a tag of any letters does", () => {
  const upper = (text: string) => outsideQuotes(text, (part) => part.toUpperCase());
  assertEquals(upper("select a$b$c, x$b$d"), "SELECT A$B$C, X$B$D");
  assertEquals(upper("select $é$ a $é$, $1$b, $2$b"), "SELECT $é$ a $é$, $1$B, $2$B");
});

Deno.test("roles that a do block makes under such names are seen", async () => {
  const block = (name: string) => `do $$ begin create role ${name}; end $$;`;
  const roles = await Promise.all(['"a b"', "é", "a$b", '"a""b"'].map(async (name) => {
    const text = migration(block(name), "select 1;");
    const { made } = await rolesOf([
      parse("20260101000000_roles.sql", new TextEncoder().encode(text)).migration!,
    ]);
    return made;
  }));
  assertEquals(roles, [["a b"], ["é"], ["a$b"], ['a"b']]);
});

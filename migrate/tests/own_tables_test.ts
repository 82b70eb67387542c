import { assertEquals } from "@std/assert";
import { onOwnTables } from "../proof/own_tables.ts";

/** The lines of the statements, one a line, that touch nothing but what the text itself made. */
async function ownLines(text: string, home = "public"): Promise<number[]> {
  const up = { text: `-- migrate:up\n${text}`, line: 1, transaction: true };
  return (await onOwnTables({ up }, home)).map(({ from }) => from - 1);
}

Deno.test("a file's own table is its own by its full name, another name, another schema, and as a copy", async () => {
  assertEquals(
    await ownLines(`create table public.a (b int);
      alter table a add column c int not null;
      alter table a rename to d;
      create index d_b on d (b);
      drop index d_b;
      alter table public.d set schema app;
      drop table app.d;
      select 1 as e into temporary f;
      drop table f;
      create temporary table g (e int);
      drop table if exists pg_temp.g cascade;
      create materialized view h as select 1 as e;
      create unique index on h (e);`),
    [2, 3, 4, 5, 6, 7, 9, 11, 13],
  );
});

Deno.test("a table of another schema is another one, and what was there before stays everybody's", async () => {
  const archived = `create table archive.a as select * from a;
    drop table a;
    create table b (id int);
    drop table b, c;
    drop table b;
    drop table b;`;
  assertEquals(await ownLines(archived), [5]);
  assertEquals(await ownLines(archived, "archive"), [2, 5]);
  const elsewhere = "set search_path = app, public;\ncreate table a (b int);\n" +
    "drop table public.a;\nreset search_path;\ndrop table a;\ndrop table app.a;";
  assertEquals(await ownLines(elsewhere), [6]);
});

import { assert, assertEquals } from "@std/assert";
import { sql, type Statement } from "../../postgres/mod.ts";
import { nameStatements } from "../../postgres/sql.ts";

const both = ({ text, values }: Statement) => [text, ...values];

Deno.test("values are numbered in the order of the text, those of nested SQL among them", () => {
  const inner = sql`b = ${"b"} or c = ${null}`;
  assertEquals(both(sql`a = ${1} and (${inner}) and d = ${false}`), [
    "a = $1 and (b = $2 or c = $3) and d = $4",
    ...[1, "b", null, false],
  ]);
  assertEquals(both(sql`${sql``}${2}${sql`${3}`}`), ["$1$2", 2, 3]);
});

Deno.test("one template is another statement for whatever stands in its places, and has its own values", () => {
  const ask = (a: unknown, b: unknown) => sql`select ${a} where ${b}`;
  const [one, two] = [sql`one`, sql`two = ${2}`];
  for (let round = 0; round < 2; round++) {
    assertEquals(both(ask(round, one)), ["select $1 where one", round]);
    assertEquals(both(ask(one, round)), ["select one where $1", round]);
    assertEquals(both(ask(two, two)), ["select two = $1 where two = $2", 2, 2]);
    assertEquals(both(ask(one, two)), ["select one where two = $1", 2]);
    assertEquals(both(ask(round, round)), ["select $1 where $2", round, round]);
  }
});

Deno.test("a statement is put together once, however often it is written", () => {
  const ask = (id: number) => sql`select * from t where ${sql`id = ${id}`}`;
  const [first, second] = [ask(1), ask(2)];
  assert(first.texts === second.texts);
  assert(first.values !== second.values);
  assertEquals([first.values, second.values], [[1], [2]]);
});

Deno.test("a statement knows the function that writes it, once it is asked for, in each of its shapes", () => {
  const unasked = (id: number) => sql`select ${id}`;
  unasked(1);
  nameStatements();
  function getRow(part = sql`true`) {
    return [1].map((id) => sql`select from t where id = ${id} and ${part}`)[0]!;
  }
  const listRows = () => sql`select from t`;
  assertEquals(
    [getRow(), getRow(sql`${2}`), getRow(), listRows(), unasked(2)].map(({ writer }) => writer),
    ["getRow", "getRow", "getRow", "listRows", undefined],
  );
});

/** What the pool takes for the server's time at a statement. */
import { assert, assertEquals } from "@std/assert";
import { Work } from "../../postgres/work.ts";

Deno.test("one answer that was late changes little, and statements that became slow are slow soon", () => {
  const work = new Work();
  for (let answer = 0; answer < 100; answer++) {
    work.took("fast", answer === 50 ? 150 : 0.2);
    assert(work.of("fast") < 0.4, `${work.of("fast")} ms after ${answer} answers`);
  }
  work.took("slow", 300, true);
  assertEquals([work.of("slow"), work.of("unknown")], [300, 2]);
  let answers = 0;
  for (; work.of("fast") < 25; answers++) work.took("fast", 30);
  assert(answers < 40, `${answers} answers`);
});

Deno.test("what is known does not grow without end: the statement that came first is forgotten", () => {
  const work = new Work();
  for (let n = 0; n < 1001; n++) work.took(`${n}`, 300, true);
  assertEquals([work.of("0"), work.of("1"), work.of("1000")], [2, 300, 300]);
});

Deno.test("the way is as long as the first connection tells, until an answer says better", () => {
  const work = new Work();
  work.opened(2000);
  assertEquals(work.roundTripMs, 500);
  // What is sent every 10 ms over 400 ms is answered every 10 ms, and is no work of 10 ms.
  for (let n = 0; n < 40; n++) work.heard("fast", 400.2, n === 0 ? 400 : 10);
  assert(work.of("fast") < 1, `${work.of("fast")} ms`);
  work.opened(9000);
  assert(work.roundTripMs < 450, `${work.roundTripMs} ms`);
});

import { assertEquals } from "@std/assert";
import { assertSpyCalls, spy } from "@std/testing/mock";
import { FakeTime } from "@std/testing/time";
import { lineWriter } from "../routes/_log.ts";

const decoder = new TextDecoder();

/** A file that takes at most `most` bytes a write. */
function file(most = Infinity) {
  let text = "";
  const writeSync = spy((bytes: Uint8Array) => {
    const taken = bytes.subarray(0, Math.min(most, bytes.length));
    text += decoder.decode(taken);
    return taken.length;
  });
  return { writeSync, text: () => text };
}

Deno.test("lines that are logged in one turn are written together, in their order", () => {
  using time = new FakeTime();
  const { writeSync, text } = file();
  const log = lineWriter({ writeSync });
  log.write("one");
  log.write("two");
  assertSpyCalls(writeSync, 0);
  time.tick(0);
  assertSpyCalls(writeSync, 1);
  assertEquals(text(), "one\ntwo\n");
  log.write("three");
  time.tick(0);
  assertEquals(text(), "one\ntwo\nthree\n");
});

Deno.test("a write that takes only a part is gone on with, and flush leaves nothing behind", () => {
  using _time = new FakeTime();
  const { writeSync, text } = file(3);
  const log = lineWriter({ writeSync });
  log.write("first line");
  log.flush();
  assertEquals(text(), "first line\n");
  log.flush();
  assertSpyCalls(writeSync, 4);
});

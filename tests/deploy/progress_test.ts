import { assertEquals } from "@std/assert";
import { startProgress } from "../../tasks/progress.ts";

/** What a terminal of one line shows in the end, and all that was written to it. */
function terminal(is = true) {
  let text = "";
  return {
    isTerminal: () => is,
    writeSync(bytes: Uint8Array) {
      text += new TextDecoder().decode(bytes);
      return bytes.length;
    },
    written: () => text,
    shows: () => text.split("\r\x1b[K").at(-1),
  };
}

Deno.test("in a terminal a start fills a bar, one line that is gone at the end; in a pipe it says nothing", () => {
  const screen = terminal();
  const progress = startProgress(["the database", "migrations"], screen);
  progress.at("the database");
  assertEquals(screen.shows(), `${"░".repeat(24)} the database`);
  progress.at("migrations", 10, 40);
  assertEquals(screen.shows(), `${"█".repeat(15)}${"░".repeat(9)} migrations, 10 of 40`);
  progress.end();
  assertEquals([screen.shows(), screen.written().includes("\n")], ["", false]);

  const pipe = terminal(false);
  const silent = startProgress(["the database"], pipe);
  silent.at("the database");
  silent.end();
  assertEquals(pipe.written(), "");
});

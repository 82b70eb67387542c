import { assertEquals, assertLess, assertStringIncludes } from "@std/assert";
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
  const progress = startProgress(["the database", "migrations"], screen, () => 80);
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

Deno.test("in a narrow terminal the bar gets shorter, so that the line is never wrapped", () => {
  for (const columns of [1, 2, 16, 24, 40, 45, 46, 200]) {
    const screen = terminal();
    const progress = startProgress(["the database", "migrations"], screen, () => columns);
    progress.at("migrations", 59, 60);
    const shown = screen.shows()!;
    assertLess(shown.length, columns);
    if (columns >= 24) assertStringIncludes(shown, "migrations, 59 of 60");
    if (columns >= 40) assertStringIncludes(shown, "█ ");
  }
});

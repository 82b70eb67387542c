/** docs/batches-and-changes.md: each line of curl works, and its answer is the one that is shown. */
import { assert, assertEquals } from "@std/assert";
import { createApi } from "../support/api.ts";
import { until } from "../support/pool.ts";
import { listen } from "../support/socket.ts";
import { blocksOf } from "../support/walkthrough.ts";

/** Without what differs from run to run. */
function plain(text: string): string {
  if (text === "") return "";
  return JSON.stringify(
    JSON.parse(
      text,
      (name, value) => /_at$|^(request_id|next_cursor)$/.test(name) ? typeof value : value,
    ),
  );
}

Deno.test("docs/batches-and-changes.md: every line works, and every answer is the one that is shown [50][51]", async () => {
  await using api = await createApi();
  await using server = listen(api.app);
  const env = { KEY: await api.key("ada@example.com"), API: server.origin };
  const blocks = await blocksOf("docs/batches-and-changes.md");
  let typed = 0;
  for (const [n, { language, text }] of blocks.entries()) {
    if (language !== "sh") continue;
    typed++;
    const next = blocks[n + 1];
    const shown = plain(next?.language === "json" ? next.text : "");
    const type = async () => {
      const { stdout } = await new Deno.Command("sh", {
        args: ["-c", `${text.trim()} --silent --show-error`],
        env,
      }).output();
      return plain(new TextDecoder().decode(stdout));
    };
    // What reads may be asked again: transactions of other tests hold changes back for a while.
    if (text.includes("/api/changes")) await until(async () => await type() === shown);
    else assertEquals(await type(), shown, text);
  }
  assert(typed === 5);
});

/** Documents of requests: each line of curl works, and its answer is the one that is shown. */
import { assertEquals, assertMatch } from "@std/assert";
import { createApi } from "../support/api.ts";
import { authBy, startIssuer } from "../support/issuer.ts";
import { until } from "../support/pool.ts";
import { listen } from "../support/socket.ts";
import { type Block, blocksOf, repeatable } from "../support/walkthrough.ts";

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

/** Types each command, in their order, and gives how many there were. */
async function type(blocks: Block[], env: Record<string, string>): Promise<number> {
  let typed = 0;
  for (const [n, { language, text }] of blocks.entries()) {
    if (language !== "sh") continue;
    typed++;
    const next = blocks[n + 1];
    const shown = plain(next?.language === "json" ? next.text : "");
    const answer = async () => {
      const { stdout } = await new Deno.Command("sh", {
        args: ["-c", `${text.trim()} --silent --show-error`],
        env,
      }).output();
      return plain(new TextDecoder().decode(stdout));
    };
    // What reads may be asked again: transactions of other tests hold changes back for a while.
    if (text.includes("/api/changes")) await until(async () => await answer() === shown);
    else assertEquals(await answer(), shown, text);
  }
  return typed;
}

for (
  const [path, commands, rules] of [
    ["docs/batches-and-changes.md", 5, "[50][51]"],
    ["docs/search.md", 6, "[52]"],
  ] as const
) {
  Deno.test(`${path}: every line works, and every answer is the one that is shown ${rules}`, async () => {
    await using api = await createApi();
    await using server = listen(api.app);
    const env = { KEY: await api.key("ada@example.com"), API: server.origin };
    assertEquals(await type(await blocksOf(path), env), commands);
  });
}

Deno.test("docs/sign-in.md: every line works with a token of the claims that it shows, and every answer is the one that is shown [49]", async () => {
  const [claims, ...blocks] = await blocksOf("docs/sign-in.md");
  const { aud, sub, scope, name, email, email_verified } = JSON.parse(claims!.text);
  const person = { aud, sub, name, email, email_verified };
  await using issuer = await startIssuer();
  await using api = await createApi({ auth: { ...authBy(issuer), audiences: [aud] } });
  await using server = listen(api.app);
  const env = {
    API: server.origin,
    TOKEN: await issuer.sign({ ...person, scope }),
    ID_TOKEN: await issuer.sign({ ...person, aud: "the-app" }),
    UNSCOPED: await issuer.sign({ ...person, scope: "openid" }),
  };
  assertEquals(await type(blocks, env), 4);
});

Deno.test("a command that is tried again while the API restarts does nothing twice", () => {
  const get = "curl -i 'http://127.0.0.1:8000/api/todos?limit=1'";
  const post = `curl http://127.0.0.1:8000/api/todos -d '{"description":"x"}'`;
  const search = `curl --get "$API/api/todos" --data-urlencode "q=x"`;
  assertEquals([repeatable(get), repeatable(search)], [get, search]);
  const keyed = repeatable(post)!;
  assertMatch(keyed.slice(post.length), /^ -H 'idempotency-key: [0-9a-f-]{36}'$/);
  assertEquals(repeatable(keyed), keyed);
  for (
    const once of [post.replace("curl", "curl -X PATCH"), "curl -X DELETE x", "deno task db up"]
  ) {
    assertEquals(repeatable(once), undefined);
  }
});

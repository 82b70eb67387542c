/** The document's first screen: every line of it works as it stands. */
import { assertEquals, assertMatch } from "@std/assert";
import document from "../../openapi.json" with { type: "json" };
import { createApi } from "../support/api.ts";
import { createSample } from "../support/samples.ts";
import { listen } from "../support/socket.ts";

/** By heading: the status of its example, and a header or member that its text explains. */
const examples: Record<string, [status: number, shows: RegExp]> = {
  "Keys": [200, /"email":/],
  "Problems": [400, /"parameter":"limit"/],
  "Pages": [200, /"next_cursor":/],
  "If-Match: change what you have seen": [200, /etag: "2"/],
  "Idempotency-Key: send it again": [201, /location: \/api\/todos\/2/],
  "Limits": [200, /ratelimit: "caller";r=\d+;t=\d+/],
};

const sections = document.info.description.split(/^## /m).slice(1);

Deno.test("the introduction of the document: each line of curl works, and shows what it explains", async (t) => {
  await using api = await createApi({ rateLimit: 6000 });
  await createSample(api, "todos");
  const env = { KEY: await api.key("ada@example.com"), API: "" };
  await using server = listen(api.app);
  env.API = server.origin;
  assertEquals(sections.map((section) => section.split("\n")[0]), Object.keys(examples));
  for (const section of sections) {
    const heading = section.split("\n")[0]!;
    await t.step(heading, async () => {
      const [, command] = /```sh\n(curl .*)\n```/.exec(section)!;
      const { stdout } = await new Deno.Command("sh", {
        args: ["-c", `${command} --silent --show-error`],
        env,
      }).output();
      const answer = new TextDecoder().decode(stdout);
      const [status, shows] = examples[heading]!;
      assertMatch(answer, new RegExp(`^HTTP/1.1 ${status} `));
      assertMatch(answer, shows);
    });
  }
});

Deno.test("the introduction of the document is one screen", () => {
  assertEquals(document.info.description.split("\n").length <= 90, true);
});

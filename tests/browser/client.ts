import { assertEquals } from "@std/assert";
import { createApi } from "../support/api.ts";
import { bundleClient } from "../support/bundle.ts";
import { listen } from "../support/socket.ts";
import { visit } from "./browser.ts";

Deno.test({
  name: "the client, as one file of JavaScript, works in a browser [31]",
  // The browser is another process, whose pipes the driver lets go in its own time.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using api = await createApi();
    await using server = listen(api.app);
    const { origin } = server;
    await using browser = await visit(origin);
    const { page, errors, strangers } = browser;
    const body = await bundleClient();
    await page.route(
      `${origin}/slate.js`,
      (route) => route.fulfill({ contentType: "text/javascript", body }),
    );
    await page.goto(`${origin}/api/docs`);
    const found = await page.evaluate(async ({ baseUrl, key }) => {
      const { createSlateClient } = await import(`${baseUrl}/slate.js`);
      const slate = createSlateClient({ baseUrl, key });
      for (const name of ["one", "two", "three"]) {
        await slate.POST("/api/keys", { body: { name, scope: "read" } });
      }
      const rows = [];
      for await (const { name } of slate.list("/api/keys", { query: { limit: 1 } })) {
        rows.push(name);
      }
      return rows;
    }, { baseUrl: origin, key: await api.key("ada@example.com") });
    assertEquals(found.slice(-3), ["one", "two", "three"]);
    assertEquals(strangers, []);
    assertEquals(errors, []);
  },
});

import { assertEquals, assertStringIncludes } from "@std/assert";
import { createApi } from "../support/api.ts";
import { listen } from "../support/socket.ts";
import { visit } from "./browser.ts";

/** Where a picture of the page goes, for the README; by default there is none. */
const screenshot = Deno.env.get("SCREENSHOT");

Deno.test({
  name: "the docs page works without any other host, under its policy, and sends a request [30]",
  // The browser is another process, whose pipes the driver lets go in its own time.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using api = await createApi();
    const key = await api.key("ada@example.com");
    const description = "Water the plants of room 12";
    await api.call("POST /api/todos", { key, body: { description } });
    await using server = listen(api.app);
    const { origin } = server;
    await using browser = await visit(origin);
    const { page, errors, strangers } = browser;

    await page.goto(origin);
    assertEquals(page.url(), `${origin}/api/docs`);
    await page.getByPlaceholder("Token").first().fill(key);
    // The page renders an operation when it is scrolled to.
    await page.getByRole("link", { name: /^List todos/ }).click();
    await page.getByRole("button", { name: /^Test Request.*get \/api\/todos\)$/ }).first().click();
    const dialog = page.getByRole("dialog").first();
    // Where nobody has written anything, the viewer warns of no value.
    await dialog.getByText("2030-01-31T09:00:00Z").nth(2).waitFor();
    assertEquals(await dialog.locator("tr.alert").allInnerTexts(), []);
    const [answer] = await Promise.all([
      page.waitForResponse((response) => new URL(response.url()).pathname === "/api/todos"),
      dialog.getByRole("button", { name: /^Send get request/ }).click(),
    ]);
    assertEquals(answer.status(), 200);
    assertEquals(new URL(answer.url()).search, "?limit=20&sort=id");
    assertEquals((await answer.json()).data[0].description, description);
    await dialog.getByText(description).first().waitFor();
    assertStringIncludes(await dialog.innerText(), "200 OK");

    if (screenshot) await page.screenshot({ path: screenshot });

    await page.getByRole("button", { name: "Close Client" }).click();
    await page.getByRole("link", { name: /^Create a todo/ }).click();
    await page.getByRole("button", { name: /^Test Request.*post \/api\/todos\)$/ }).first().click();
    const [created] = await Promise.all([
      page.waitForResponse((response) => response.request().method() === "POST"),
      dialog.getByRole("button", { name: /^Send post request/ }).click(),
    ]);
    assertEquals(created.status(), 201);
    await dialog.getByText("201 Created").first().waitFor();
    assertEquals(strangers, []);
    assertEquals(errors, []);
  },
});

Deno.test({
  name: "the docs page needs no key in dev [38]",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using api = await createApi();
    const devKey = await api.key("dev@example.com", "admin");
    await using open = await createApi({ devKey, db: api.database.db });
    await using server = listen(open.app);
    await using browser = await visit(server.origin);
    const { page, errors } = browser;
    await page.goto(`${server.origin}/api/docs`);
    await page.getByRole("link", { name: /^Create a todo/ }).click();
    await page.getByRole("button", { name: /^Test Request.*post \/api\/todos\)$/ }).first().click();
    const dialog = page.getByRole("dialog").first();
    await dialog.getByRole("button", { name: /^Send post request/ }).click();
    await dialog.getByText("201 Created").first().waitFor();
    assertEquals(errors, []);
  },
});

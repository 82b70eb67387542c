import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { createApi } from "../support/api.ts";
import { listen } from "../support/socket.ts";
import { visit } from "./browser.ts";

/** Where a picture of the page goes; by default there is none. */
const screenshot = Deno.env.get("SCREENSHOT");

Deno.test({
  name: "the demo page shows, adds, ticks off and deletes by keyboard alone, under its policy",
  // The browser is another process, whose pipes the driver lets go in its own time.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using api = await createApi({ demo: true });
    const key = await api.key("ada@example.com");
    const pat = { first_name: "Pat", last_name: "Marsh" };
    await api.call("POST /api/students", { key, body: pat });
    await api.call("POST /api/todos", { key, body: { description: "Mark the essays" } });
    await using server = listen(api.app);
    await using browser = await visit(server.origin);
    const { page, errors, strangers } = browser;

    await page.goto(server.origin);
    // Nobody is let in without a key, and the page asks for it.
    const field = page.getByLabel("API key");
    await field.waitFor();
    await page.locator("#secret:focus").waitFor();
    assertEquals(await said(page), "Your todos take an API key.");
    await page.keyboard.type("nonsense");
    await page.keyboard.press("Enter");
    await page.getByText("That key is not accepted, or no longer.").waitFor();
    // No header can hold it: it is not sent.
    await field.fill("ключ");
    await page.keyboard.press("Enter");
    assertEquals(await page.locator("#secret:invalid").count(), 1);
    errors.length = 0;
    await field.fill(key);
    await page.keyboard.press("Enter");
    const essays = page.getByRole("checkbox", { name: "Mark the essays" });
    await essays.waitFor();
    // What had the focus is gone: a keyboard goes on from where the todos begin.
    await page.locator("#todos-heading:focus").waitFor();

    await page.getByLabel("New todo").focus();
    await page.keyboard.type("Water the plants");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Pat");
    await page.keyboard.press("Tab");
    // In the same breath: it is meant once.
    await page.locator("#new-todo button:focus").evaluate(twice);
    await page.getByRole("checkbox", { name: "Water the plants (Pat Marsh)" }).waitFor();
    assertEquals(await said(page), "Added.");

    // Each is what stood there at its Enter, also behind a slow one; what is typed since then stays.
    const description = page.getByLabel("New todo");
    const addAll = await hold(page, "POST");
    for (const text of ["Buy a kettle", "Boil water"]) {
      await description.fill(text);
      await description.press("Enter");
    }
    await description.fill("Make tea");
    addAll();
    await page.getByRole("checkbox", { name: "Boil water" }).waitFor();
    assertEquals(await description.inputValue(), "Make tea");
    // Nor does the focus leave who has gone on.
    const removeAll = await hold(page, "DELETE");
    for (const text of ["Buy a kettle", "Boil water"]) {
      await page.getByRole("button", { name: `Delete ${text}` }).click();
    }
    await description.focus();
    removeAll();
    await page.getByRole("checkbox", { name: "Boil water" }).waitFor({ state: "detached" });
    assertEquals(await page.locator("#description:focus").count(), 1);

    // One's own haste is nobody else's change.
    await essays.evaluate(twice);
    await page.getByText("Open again.").waitFor();
    assertEquals(await essays.isChecked(), false);
    await essays.focus();
    await page.keyboard.press("Space");
    await page.getByText("Done.").waitFor();
    // Somebody else changes it meanwhile: what they wrote is not overwritten, and shown.
    const { json } = await api.call("GET /api/todos?completed=true", { key });
    await api.call(`PATCH /api/todos/${json.data[0].id}`, { key, body: { completed: true } });
    await api.call(`PATCH /api/todos/${json.data[0].id}`, { key, body: { description: "Marked" } });
    await essays.press("Space");
    await page.getByText(/The row has changed/).waitFor();
    const marked = page.getByRole("checkbox", { name: "Marked" });
    assertEquals(await marked.isChecked(), true);
    await marked.press("Space");
    await page.getByText("Open again.").waitFor();
    await api.call(`DELETE /api/todos/${json.data[0].id}`, { key });
    await marked.press("Space");
    await page.getByText(/There is no such row/).waitFor();
    assertEquals(await marked.count(), 0);
    await page.locator("#todos-heading:focus").waitFor();
    // It is the browser that reports a 412 and a 404 there.
    errors.length = 0;

    await page.getByRole("button", { name: "Delete Water the plants" }).evaluate(twice);
    await page.getByText("Deleted.").waitFor();
    const { json: left } = await api.call("GET /api/todos", { key });
    assertEquals(left.data, []);
    await page.getByLabel("First name").fill("Kim");
    await page.getByLabel("Last name").fill("Reed");
    await page.keyboard.press("Enter");
    await page.getByRole("listitem").filter({ hasText: "Kim Reed" }).waitFor();
    const names = await api.call("GET /api/students", { key });
    assertEquals(names.json.data.map((row: typeof pat) => row.first_name), ["Pat", "Kim"]);

    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      assert(await leastContrast(page) >= 4.5, `${colorScheme} is hard to read`);
    }
    await page.emulateMedia({ colorScheme: "light" });
    if (screenshot) await page.screenshot({ path: screenshot });
    // Everything that is filled in or pressed has a name.
    assertEquals(await page.locator("input:not([id]), select:not([id])").count(), 0);
    for (const id of await ids(page)) {
      assertEquals(await page.locator(`label[for="${id}"]`).count(), 1, id);
    }
    assertEquals(errors, []);

    const many = Array.from({ length: 100 }, () => ({ description: "long".repeat(50) }));
    await api.call("POST /api/todos", { key, body: many[0] });
    await api.call("POST /api/todos/batch", { key, body: { items: many } });
    await page.reload();
    await field.fill(key);
    await page.keyboard.press("Enter");
    await page.getByText("The newest 100 todos are here; there are more.").waitFor();
    assertEquals(await page.locator("#todos li").count(), 100);
    assert(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "too wide");

    // Below them all it is seen what the form says.
    await page.getByLabel("New todo").fill("<b>\u202Eturned around</b>");
    await page.keyboard.press("Enter");
    await page.getByText("Added.").waitFor();
    assert(await page.evaluate("scrollY > 0"));
    assert((await page.getByRole("status").boundingBox())!.y >= 0, "the status is out of sight");
    const [first] = await page.locator("#todos li").all();
    const [box, label, remove] = await first!.locator("> *").all();
    const lefts = await Promise.all(
      [box!, label!, remove!].map(async (part) => (await part.boundingBox())!.x),
    );
    assertEquals(lefts, lefts.toSorted((a, b) => a - b), "a description turns its row around");
    assertEquals(await page.locator("#todos b").count(), 0);
    // A name of what nobody sees would be none.
    await api.call("POST /api/todos", { key, body: { description: "\u200b" } });
    await page.reload();
    await field.fill(key);
    await page.keyboard.press("Enter");
    await page.getByRole("checkbox", { name: /^Todo \d+$/ }).waitFor();
    assertEquals(strangers, []);
  },
});

const twice = (node: { click?(): void }) => {
  node.click!();
  node.click!();
};

/** Holds what the page asks for by this method, until it is released. */
async function hold(page: Page, method: string): Promise<() => void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  await page.route("**/api/**", async (route) => {
    if (route.request().method() === method) await promise;
    await route.fallback();
  });
  return resolve;
}

const said = (page: Page) => page.getByRole("status").innerText();

const ids = (page: Page) =>
  page.locator("input, select").evaluateAll((nodes) => nodes.map(({ id }) => id));

/** Of each text and what is behind it, as WCAG counts it; the page draws no background of its own. */
function leastContrast(page: Page): Promise<number> {
  return page.evaluate(`(() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const luminance = (color) => {
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b] = Array.from(canvas.getImageData(0, 0, 1, 1).data, (value) =>
        value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = matchMedia("(prefers-color-scheme: dark)").matches ? "#121212" : "#ffffff";
    const ratios = Array.from(document.querySelectorAll("h1, h2, p, a, label, li, button"), (node) => {
      const { color, backgroundColor } = getComputedStyle(node);
      const behind = backgroundColor === "rgba(0, 0, 0, 0)" ? paper : backgroundColor;
      const two = [luminance(color), luminance(behind)];
      return (Math.max(...two) + 0.05) / (Math.min(...two) + 0.05);
    });
    return Math.min(...ratios);
  })()`);
}

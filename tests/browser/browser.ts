import { type Browser, chromium, type Page } from "playwright-core";

const candidates = [Deno.env.get("CHROMIUM"), "/usr/bin/chromium", "/usr/bin/google-chrome"];

/** What a page has for each step, also on a slow machine. */
const patienceMs = 180_000;

async function executable(): Promise<string> {
  for (const path of candidates) {
    if (path && await Deno.stat(path).then(() => true, () => false)) return path;
  }
  throw new Error("there is no Chromium here: install one, or name it by CHROMIUM");
}

export interface Visit extends AsyncDisposable {
  page: Page;
  /** What the console reported as an error, policy violations and failed requests included. */
  errors: string[];
  /** The hosts that the page asked for, which are all refused but our own. */
  strangers: string[];
}

/** A browser that can reach `origin` and nothing else. */
export async function visit(origin: string): Promise<Visit> {
  const browser: Browser = await chromium.launch({
    timeout: patienceMs,
    executablePath: await executable(),
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // Whatever goes around the page's own requests finds no name and no proxy.
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
      "--no-proxy-server",
    ],
  });
  const errors: string[] = [];
  const strangers: string[] = [];
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(patienceMs);
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.route("**/*", async (route) => {
    const url = new URL(route.request().url());
    if (url.origin === origin || url.protocol === "data:" || url.protocol === "blob:") {
      return await route.continue();
    }
    strangers.push(url.host);
    await route.abort();
  });
  return { page, errors, strangers, [Symbol.asyncDispose]: () => browser.close() };
}

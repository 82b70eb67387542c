import { Hono } from "hono";
import page from "../demo/index.html" with { type: "text" };
import script from "../demo/demo.js" with { type: "text" };
import style from "../demo/demo.css" with { type: "text" };
import { negotiate } from "./_negotiate.ts";
import { compose } from "./_step.ts";

/** Its own script, style and API, and nothing from anywhere else. */
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The demo's page at `/`, and what it is made of: where it is, `/` no longer leads to the docs. */
export function demoRoutes() {
  const app = new Hono();
  const files = [
    ["/", page, "text/html"],
    ["/demo.js", script, "text/javascript"],
    ["/demo.css", style, "text/css"],
  ] as const;
  for (const [path, text, type] of files) {
    const headers = {
      "content-type": `${type}; charset=utf-8`,
      "content-security-policy": policy,
      "referrer-policy": "no-referrer",
    };
    app.get(path, compose([negotiate([type])], (c) => c.body(text, 200, headers)));
  }
  return app;
}

/** `deno task openapi`: writes openapi.json from the routes. Nothing is served and no database asked. */
import { createApp } from "./mod.ts";
import { openapiDocument } from "./docs.ts";

const app = createApp({
  db: {} as never,
  environment: "live",
  corsOrigins: [],
  rateLimit: 0,
  log: () => {},
});
const text = JSON.stringify(openapiDocument(app), null, 2) + "\n";
await Deno.writeTextFile(new URL("../openapi.json", import.meta.url), text);

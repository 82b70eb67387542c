import { gzipSync } from "node:zlib";

/*
 * The docs page's viewer, Scalar. Its bundle is a file that the package of Scalar does not export;
 * the plugin that Scalar makes for Fastify carries it as a module and hands it to whatever has a
 * method `route`. So it comes from npm with everything else: no CDN, no file to read, no copy of it
 * in this repository.
 */

interface Route {
  url: string;
  handler(request: unknown, reply: Reply): unknown;
}

interface Reply {
  header(name: string, value: string): Reply;
  send(content: string): void;
}

type Plugin = (host: { route(route: Route): void }, options: object, done: () => void) => void;

export interface Viewer {
  script: Uint8Array<ArrayBuffer>;
  /** The same, four times as short: compressed once, not for each reader. */
  gzipped: Uint8Array<ArrayBuffer>;
}

let viewer: Promise<Viewer> | undefined;

/** The viewer's script, 4 MB. Loaded when somebody first reads the docs, then kept. */
export function loadViewer(): Promise<Viewer> {
  return viewer ??= load();
}

async function load(): Promise<Viewer> {
  const plugin = (await import("@scalar/fastify-api-reference")).default as unknown as Plugin;
  let script = "";
  const reply: Reply = { header: () => reply, send: (content) => void (script = content) };
  const route = ({ url, handler }: Route) => url.endsWith(".js") && handler({}, reply);
  plugin({ route }, { configuration: { url: "/api/openapi.json" } }, () => {});
  if (script === "") throw new Error("@scalar/fastify-api-reference has no script any more");
  const bytes = new TextEncoder().encode(script);
  return { script: bytes, gzipped: new Uint8Array(gzipSync(bytes)) };
}

/** Everything that the viewer could ask of somebody else is off. */
const configuration = {
  url: "/api/openapi.json",
  theme: "default",
  withDefaultFonts: false,
  telemetry: false,
  persistAuth: false,
  hideClientButton: true,
  showDeveloperTools: "never",
  agent: { disabled: true },
  mcp: { disabled: true },
  defaultOpenFirstTag: true,
  documentDownloadType: "json",
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  authentication: { preferredSecurityScheme: "apiKey" },
};

const attribute = JSON.stringify(configuration).replaceAll("&", "&amp;").replaceAll('"', "&quot;");

export const viewerPage = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <link rel="icon" href="data:,">
    <title>Slate API</title>
  </head>
  <body>
    <script id="api-reference" data-configuration="${attribute}"></script>
    <script src="/api/docs/scalar.js"></script>
  </body>
</html>
`;

/**
 * What the page may do: run the one script of ours, call us, and nothing else. Scalar sets hundreds
 * of style attributes, and the editor inside it makes up style elements that know no nonce, so
 * styles are free; what they could load is not.
 */
export const viewerPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'unsafe-inline'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

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
  script: string;
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
  return { script, gzipped: new Uint8Array(gzipSync(script)) };
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
  authentication: { preferredSecurityScheme: "key" },
};

/** The page. `nonce` goes into the policy as well, and is another one for each answer. */
export function viewerPage(nonce: string): string {
  const attribute = JSON.stringify(configuration).replaceAll("&", "&amp;").replaceAll(
    '"',
    "&quot;",
  );
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta property="csp-nonce" content="${nonce}" nonce="${nonce}">
    <link rel="icon" href="data:,">
    <title>Slate API</title>
  </head>
  <body>
    <script id="api-reference" data-url="/api/openapi.json" data-configuration="${attribute}"></script>
    <script src="/api/docs/scalar.js"></script>
  </body>
</html>
`;
}

/** Of the style elements that libraries inside Scalar add without its nonce; the first is empty. */
const styleHashes = [
  "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
  "DLlkYCuDYGe6ME23YkUFB7Tc36rGDeo4mVBFbZX3uaU=",
  "rO+6k1mDRASa9Q8IQu9I3bF+bjRdxDreAZCyGSaxzeI=",
  "ZW1GSuo0pKyEx5Ar7ZC5Dflb/mjatjeTW9aVx0iZAzE=",
  "ZxJPHmhfzkZ/sABsMEsX1NJLyJ33Vf0mFSLUIK0Ticc=",
];

/**
 * What the page may do: run the one script of ours, call us, and nothing else. Style elements need
 * the nonce or a known hash; style attributes, of which Scalar sets hundreds, cannot be told apart.
 */
export function viewerPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src-elem 'nonce-${nonce}' ${styleHashes.map((hash) => `'sha256-${hash}'`).join(" ")}`,
    "style-src-attr 'unsafe-inline'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "font-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { parseAccept } from "hono/utils/accept";
import { download } from "./_download.ts";
import introduction from "./_introduction.md" with { type: "text" };
import type { Variables } from "./_step.ts";
import { negotiate } from "./_negotiate.ts";
import { jsonReply, keyless, router } from "./_operation.ts";
import { loadViewer, viewerPage, viewerPolicy } from "./_viewer.ts";

/** The version of the contract: the minor grows with what is added, the major with what breaks. */
export const apiVersion = "1.0.0";

const tags = {
  Todos: "What is to be done, for which student, until when.",
  Students: "Your roster. A todo may be assigned to a student.",
  Changes: "What has changed, for whoever keeps a copy.",
  Users: "Accounts. A user sees and changes their own; an admin key, all.",
  Keys: "API keys: who is calling, and what they may do.",
  Health: "Whether the API works, and this document. No key is needed.",
};

type App = OpenAPIHono<{ Variables: Variables }>;

/** The OpenAPI 3.1 document of every mounted route, from the schemas that validate. */
export function openapiDocument(app: App) {
  app.openAPIRegistry.registerComponent("securitySchemes", "apiKey", {
    type: "http",
    scheme: "bearer",
    description:
      "An API key, `slate_<environment>_<owner>_<id>_<secret>`, or where the installation names an OpenID Connect issuer, an access token of it with the scope slate:read, slate:write or slate:admin.",
  });
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Slate",
      version: apiVersion,
      description: introduction,
      license: { name: "MIT", url: "https://opensource.org/license/mit" },
    },
    servers: [{ url: "/" }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
  });
}

/** The docs page, its script, and the redirect to it: the only routes that answer no JSON. */
export function docsPageRoutes() {
  return router("Health")
    .openapi({
      ...keyless,
      method: "get",
      path: "/",
      operationId: "getRoot",
      summary: "Redirect to the docs page",
      responses: {
        302: {
          description: "To /api/docs.",
          headers: { Location: { description: "/api/docs", schema: { type: "string" } } },
        },
      },
    }, (c) => c.redirect("/api/docs", 302))
    .openapi({
      ...keyless,
      steps: [negotiate(["text/html"])],
      method: "get",
      path: "/api/docs",
      operationId: "getDocs",
      summary: "Read and try the API in a browser",
      responses: {
        200: {
          description: "A page for people.",
          content: { "text/html; charset=utf-8": { schema: z.string() } },
        },
      },
    }, (c) =>
      c.body(viewerPage, 200, {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": viewerPolicy,
        "referrer-policy": "no-referrer",
      }) as never)
    .openapi({
      ...keyless,
      steps: [negotiate(["text/javascript"])],
      method: "get",
      path: "/api/docs/scalar.js",
      operationId: "getDocsScript",
      summary: "Get the script of the docs page",
      responses: {
        200: {
          description: "The viewer, Scalar.",
          content: { "text/javascript; charset=utf-8": { schema: z.string() } },
        },
      },
    }, async (c) => {
      const { script, gzipped } = await loadViewer();
      const codings = parseAccept((c.req.header("accept-encoding") ?? "").toLowerCase());
      const small = codings.some(({ type, q }) => type === "gzip" && q > 0);
      return download(c, small ? gzipped : script, {
        "content-type": "text/javascript; charset=utf-8",
        "cache-control": "public, max-age=86400",
        "vary": "accept-encoding",
        ...(small && { "content-encoding": "gzip" }),
      }) as never;
    });
}

export function docsRoutes(app: App) {
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  return router("Health").openapi({
    ...keyless,
    method: "get",
    path: "/api/openapi.json",
    operationId: "getDocument",
    summary: "Get this document",
    responses: {
      200: jsonReply("OpenAPI 3.1.", z.looseObject({ openapi: z.string() }).openapi("Document")),
    },
  }, (c) => {
    bytes ??= new TextEncoder().encode(JSON.stringify(openapiDocument(app)));
    return download(c, bytes, { "content-type": "application/json" }) as never;
  });
}

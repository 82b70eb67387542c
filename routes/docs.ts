import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Variables } from "./_auth.ts";
import { jsonReply, NoQuery, openProblems, router } from "./_operation.ts";

/** The version of the contract: the minor grows with what is added, the major with what breaks. */
export const apiVersion = "1.0.0";

type App = OpenAPIHono<{ Variables: Variables }>;

/** The OpenAPI 3.1 document of all that is mounted, from the schemas that validate. */
export function openapiDocument(app: App) {
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Slate",
      version: apiVersion,
      description: "Todos for people who teach: a roster of students and what is to be done.",
      license: { name: "MIT", url: "https://opensource.org/license/mit" },
    },
    servers: [{ url: "/" }],
    tags: ["Todos", "Students", "Users", "Keys", "Health"].map((name) => ({ name })),
  });
  return {
    ...document,
    components: {
      ...document.components,
      securitySchemes: {
        key: {
          type: "http",
          scheme: "bearer",
          description: "An API key, `slate_<environment>_<id>_<secret>`.",
        },
      },
    },
  };
}

export function docsRoutes(app: App) {
  let text: string | undefined;
  return router().openapi(
    createRoute({
      tags: ["Health"],
      security: [],
      request: { query: NoQuery },
      method: "get",
      path: "/api/openapi.json",
      operationId: "getDocument",
      summary: "Get this document",
      responses: {
        200: jsonReply("OpenAPI 3.1.", z.looseObject({ openapi: z.string() }).openapi("Document")),
        ...openProblems,
      },
    }),
    (c) => {
      text ??= JSON.stringify(openapiDocument(app));
      return c.body(text, 200, { "content-type": "application/json" }) as never;
    },
  );
}

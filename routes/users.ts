import { createRoute } from "@hono/zod-openapi";
import { getMe, users } from "../db/users.ts";
import { age, email, schemas, text } from "./_fields.ts";
import {
  type Deps,
  IfNoneMatch,
  itemReplyOf,
  NoQuery,
  notModified,
  reading,
  secured,
} from "./_operation.ts";
import { itemReply } from "./_reply.ts";
import { resource } from "./_resource.ts";

const fields = {
  name: text(100).openapi({ example: "Ada Lovelace" }),
  email,
  years_old: age.nullable(),
};

const userSchemas = schemas("User", fields, { defaults: { years_old: null } });

export function userRoutes(deps: Deps) {
  const me = secured(deps, "read", { tag: "Users" });
  return resource(deps, {
    noun: "User",
    path: "/api/users",
    table: users,
    schemas: userSchemas,
    problems: ["email_taken"],
  }).openapi(
    createRoute({
      ...me.shared,
      method: "get",
      path: "/api/me",
      operationId: "getMe",
      summary: "Get the user whose key this is",
      request: { query: NoQuery, headers: IfNoneMatch },
      responses: {
        200: itemReplyOf(userSchemas.row),
        304: notModified,
        ...me.problems,
      },
    }),
    async (c) => itemReply(c, await getMe(reading(c, deps), c.get("key"))),
  );
}

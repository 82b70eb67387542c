import { createRoute, z } from "@hono/zod-openapi";
import {
  createUser,
  deleteUser,
  getMe,
  getUser,
  listUsers,
  updateUser,
  userSorts,
} from "../db/users.ts";
import { age, email, id, rowFields, text } from "./_fields.ts";
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

export const User = z.strictObject({ id, ...fields, ...rowFields }).openapi("User");

const NewUser = z.strictObject({ ...fields, years_old: fields.years_old.default(null) })
  .openapi("NewUser");

const UserChange = z.strictObject(fields).partial().openapi("UserChange");

export function userRoutes(deps: Deps) {
  const me = secured(deps, "read", { tag: "Users" });
  return resource(deps, {
    noun: "User",
    path: "/api/users",
    schemas: { row: User, new: NewUser, change: UserChange },
    sorts: userSorts,
    filters: {},
    scopes: { list: "admin", create: "admin" },
    problems: { create: ["email_taken"], update: ["email_taken"] },
    list: listUsers,
    get: getUser,
    create: createUser,
    update: updateUser,
    remove: deleteUser,
  }).openapi(
    createRoute({
      ...me.shared,
      method: "get",
      path: "/api/me",
      operationId: "getMe",
      summary: "Get the user whose key this is",
      request: { query: NoQuery, headers: IfNoneMatch },
      responses: {
        200: itemReplyOf(User),
        304: notModified,
        ...me.problems,
      },
    }),
    async (c) => itemReply(c, await getMe(reading(c, deps), c.var.key)),
  );
}

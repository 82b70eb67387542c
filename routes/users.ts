import {
  createUser,
  deleteUser,
  getMe,
  getUser,
  listUsers,
  updateUser,
  userSorts,
} from "../db/users.ts";
import { keepDevKey } from "./_dev_key.ts";
import { changing, creation, deletion, listing, reading } from "./_crud.ts";
import { age, email, schemas, text } from "./_fields.ts";
import { chooseDatabase, type Deps, router } from "./_operation.ts";
import { pageQuery, pageReply, pageRequest } from "./_page.ts";
import {
  changedReply,
  createdReply,
  deletedReply,
  idempotency,
  itemReply,
  precondition,
} from "./_reply.ts";

const fields = {
  name: text(100).openapi({ example: "Ada Lovelace" }),
  email,
  years_old: age.nullable(),
};

const user = schemas("User", fields, { defaults: { years_old: null } });

export function userRoutes(deps: Deps) {
  const { db } = deps;
  const read = reading(deps, { row: user.row });
  return router("Users")
    .openapi({
      ...listing(deps, { query: pageQuery(userSorts), page: user.page }, { scope: "admin" }),
      path: "/api/users",
      operationId: "listUsers",
      summary: "List users",
    }, async (c) => {
      const { request, list } = pageRequest(c.req.path, c.req.valid("query"), userSorts);
      const from = chooseDatabase(c, deps);
      return pageReply(c, await listUsers(from, c.get("credential"), request), list);
    })
    .openapi({
      ...creation(deps, { body: user.new, row: user.row }, {
        scope: "admin",
        problems: ["email_taken"],
      }),
      path: "/api/users",
      operationId: "createUser",
      summary: "Create a user",
    }, async (c) => {
      const once = idempotency(c, "createUser");
      const rows = await createUser(db, c.get("credential"), c.req.valid("json"), once);
      return createdReply(c, rows, "/api/users");
    })
    .openapi({
      ...read,
      path: "/api/users/{id}",
      operationId: "getUser",
      summary: "Get a user",
    }, async (c) => {
      const { id } = c.req.valid("param");
      return itemReply(c, await getUser(chooseDatabase(c, deps), c.get("credential"), id));
    })
    .openapi({
      ...changing(deps, { body: user.change, row: user.row }, { problems: ["email_taken"] }),
      path: "/api/users/{id}",
      operationId: "updateUser",
      summary: "Change a user",
    }, async (c) => {
      const { id } = c.req.valid("param");
      const change = c.req.valid("json");
      const rows = await updateUser(db, c.get("credential"), id, change, precondition(c));
      return changedReply(c, rows);
    })
    .openapi({
      ...deletion(deps, { scope: "admin" }),
      path: "/api/users/{id}",
      operationId: "deleteUser",
      summary: "Delete a user",
      description:
        "Deletes all its todos, students and keys as well. It takes the scope admin, also for your own account.",
    }, async (c) => {
      const { id } = c.req.valid("param");
      keepDevKey(deps, "ownerId", id);
      return deletedReply(c, await deleteUser(db, c.get("credential"), id, precondition(c)));
    })
    .openapi({
      ...read,
      problems: read.problems.filter((problem) => problem !== "not_found"),
      request: { ...read.request, params: undefined },
      path: "/api/me",
      operationId: "getMe",
      summary: "Get the user whose key this is",
    }, async (c) => itemReply(c, await getMe(chooseDatabase(c, deps), c.get("credential"))));
}

import { createRoute } from "@hono/zod-openapi";
import { createTodos, deleteTodos, updateTodos } from "../db/todo_batches.ts";
import {
  batchChange,
  batchChangedReply,
  batchCreatedReply,
  batchCreation,
  batchDeletedReply,
  batchDeletion,
  batchSchemas,
  distinct,
  otherMethods,
} from "./_batch.ts";
import { type Deps, router } from "./_operation.ts";
import { idempotency } from "./_reply.ts";
import { todo } from "./todos.ts";

const batch = batchSchemas("Todo", todo);

/** To be mounted before the routes of one todo. */
export function todoBatchRoutes(deps: Deps) {
  const { db } = deps;
  const tags = ["Todos"];
  const routes = router()
    .openapi(
      createRoute({
        ...batchCreation(deps, { body: batch.new, row: batch.rows }, ["student_not_found"]),
        tags,
        path: "/api/todos/batch",
        operationId: "createTodos",
        summary: "Create many todos",
      }),
      async (c) => {
        const { items } = c.req.valid("json");
        const once = idempotency(c, "createTodos");
        return batchCreatedReply(c, await createTodos(db, c.get("credential"), items, once));
      },
    )
    .openapi(
      createRoute({
        ...batchChange(deps, { body: batch.change, row: batch.rows }, ["student_not_found"]),
        tags,
        path: "/api/todos/batch",
        operationId: "updateTodos",
        summary: "Change many todos",
      }),
      async (c) => {
        const items = distinct(c.req.valid("json").items);
        return batchChangedReply(c, await updateTodos(db, c.get("credential"), items));
      },
    )
    .openapi(
      createRoute({
        ...batchDeletion(deps),
        tags,
        path: "/api/todos/batch",
        operationId: "deleteTodos",
        summary: "Delete many todos",
      }),
      async (c) => {
        const items = distinct(c.req.valid("json").items);
        return batchDeletedReply(c, await deleteTodos(db, c.get("credential"), items));
      },
    );
  return routes.all("/api/todos/batch", otherMethods);
}

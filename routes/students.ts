import { createRoute, z } from "@hono/zod-openapi";
import { students } from "../db/students.ts";
import { listStudentTodos, todos } from "../db/todos.ts";
import { age, schemas, text } from "./_fields.ts";
import {
  type Deps,
  ItemParams,
  pageReplyOf,
  reading,
  secured,
  SlateWritten,
} from "./_operation.ts";
import { pageQuery, pageReply, pageRequest } from "./_page.ts";
import { resource } from "./_resource.ts";
import { todoFilters, todoSchemas } from "./todos.ts";

const fields = {
  first_name: text(100).openapi({ example: "Ada" }),
  last_name: text(100).openapi({ example: "Lovelace" }),
  age: age.nullable(),
};

export function studentRoutes(deps: Deps) {
  const list = secured(deps, "read", {
    tag: "Students",
    problems: ["not_found", "invalid_cursor"],
  });
  return resource(deps, {
    noun: "Student",
    path: "/api/students",
    table: students,
    schemas: schemas("Student", fields, { defaults: { age: null } }),
  }).openapi(
    createRoute({
      ...list.shared,
      method: "get",
      path: "/api/students/{id}/todos",
      operationId: "listStudentTodos",
      summary: "List a student's todos",
      request: {
        params: ItemParams,
        query: z.strictObject({ ...pageQuery(todos.sorts), ...todoFilters }),
        headers: SlateWritten,
      },
      responses: {
        200: pageReplyOf("TodoPage", todoSchemas.row),
        ...list.problems,
      },
    }),
    async (c) => {
      const { id } = c.req.valid("param");
      const { request, filter, asked } = pageRequest(c.req.valid("query"), todos.sorts);
      const page = await listStudentTodos(reading(c, deps), c.get("key"), id, request, filter);
      return pageReply(c, page, asked);
    },
  );
}

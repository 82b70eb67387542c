import { createRoute, z } from "@hono/zod-openapi";
import {
  createStudent,
  deleteStudent,
  getStudent,
  listStudents,
  studentSorts,
  updateStudent,
} from "../db/students.ts";
import { listStudentTodos, todoSorts } from "../db/todos.ts";
import { age, id, rowFields, text } from "./_fields.ts";
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
import { Todo, todoFilters } from "./todos.ts";

const fields = {
  first_name: text(100).openapi({ example: "Ada" }),
  last_name: text(100).openapi({ example: "Lovelace" }),
  age: age.nullable(),
};

export const Student = z.strictObject({ id, ...fields, ...rowFields }).openapi("Student");

const NewStudent = z.strictObject({ ...fields, age: fields.age.default(null) })
  .openapi("NewStudent");

const StudentChange = z.strictObject(fields).partial().openapi("StudentChange");

export function studentRoutes(deps: Deps) {
  const todos = secured(deps, "read", {
    tag: "Students",
    problems: ["not_found", "invalid_cursor"],
  });
  return resource(deps, {
    noun: "Student",
    path: "/api/students",
    schemas: { row: Student, new: NewStudent, change: StudentChange },
    sorts: studentSorts,
    filters: {},
    list: listStudents,
    get: getStudent,
    create: createStudent,
    update: updateStudent,
    remove: deleteStudent,
  }).openapi(
    createRoute({
      ...todos.shared,
      method: "get",
      path: "/api/students/{id}/todos",
      operationId: "listStudentTodos",
      summary: "List a student's todos",
      request: {
        params: ItemParams,
        query: z.strictObject({ ...pageQuery(todoSorts), ...todoFilters }),
        headers: SlateWritten,
      },
      responses: {
        200: pageReplyOf("TodoPage", Todo),
        ...todos.problems,
      },
    }),
    async (c) => {
      const { id } = c.req.valid("param");
      const { request, filter, context } = pageRequest(c.req.valid("query"), todoSorts[0]);
      return pageReply(
        c,
        await listStudentTodos(reading(c, deps), c.var.key, id, request, filter),
        context,
      );
    },
  );
}

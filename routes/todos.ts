import { z } from "@hono/zod-openapi";
import {
  createTodo,
  deleteTodo,
  getTodo,
  listStudentTodos,
  listTodos,
  todoSorts,
  updateTodo,
} from "../db/todos.ts";
import {
  flag,
  id,
  idParameter,
  instant,
  instantParameter,
  offered,
  pageOf,
  schemas,
  search,
  text,
  timestamp,
  words,
} from "./_fields.ts";
import { changing, creation, deletion, ItemParams, listing, reading } from "./_crud.ts";
import { chooseDatabase, type Deps, router } from "./_operation.ts";
import { student } from "./students.ts";
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
  description: text(10_000).openapi({ example: "Buy chalk" }),
  completed: z.boolean("must be true or false"),
  due_date: instant.nullable(),
  student_id: id.nullable().openapi({ description: "A student of your own roster." }),
};

export const todo = schemas("Todo", fields, {
  defaults: { completed: false, due_date: null, student_id: null },
  answered: { due_date: timestamp.nullable() },
});

/** A todo of a list, with its student where that is asked for. */
const listed = z.strictObject({
  ...todo.row.shape,
  student: student.row.nullable().optional()
    .openapi({ description: "Only with `include=student`." }),
}).openapi("ListedTodo");

/** The parameters of a list of todos; a student's own list has all but the student. */
const query = {
  ...pageQuery(todoSorts),
  completed: flag.optional().openapi({
    description: "Only todos that are completed, or only those that are not.",
  }),
  due_before: instantParameter.optional().openapi({
    description: "Only todos due before this time.",
  }),
  due_after: instantParameter.optional().openapi({
    description: "Only todos due after this time.",
  }),
  due: z.enum(["none"]).optional().openapi({
    description: "`none`: only todos without a date.",
    param: offered("none"),
  }),
  updated_since: instantParameter.optional()
    .openapi({ description: "Only todos that changed at this time or later." }),
  q: words(1000).optional().openapi({ description: `Words of the description. ${search}` }),
};

export function todoRoutes(deps: Deps) {
  const { db } = deps;
  const ofStudent = listing(deps, { query, page: todo.page }, { problems: ["not_found"] });
  return router("Todos")
    .openapi({
      ...listing(deps, {
        query: {
          ...query,
          include: z.enum(["student"]).optional().openapi({
            description: "`student`: each todo shows its student as well, or null.",
            param: offered("student"),
          }),
          student_id: idParameter.optional().openapi({
            description: "Only todos of this student.",
          }),
        },
        page: pageOf("ListedTodo", listed),
      }),
      path: "/api/todos",
      operationId: "listTodos",
      summary: "List todos",
    }, async (c) => {
      const { request, filter, list } = pageRequest(c.req.path, c.req.valid("query"), todoSorts);
      const from = chooseDatabase(c, deps);
      return pageReply(c, await listTodos(from, c.get("credential"), request, filter), list);
    })
    .openapi({
      ...creation(deps, { body: todo.new, row: todo.row }, { problems: ["student_not_found"] }),
      path: "/api/todos",
      operationId: "createTodo",
      summary: "Create a todo",
    }, async (c) => {
      const once = idempotency(c, "createTodo");
      const rows = await createTodo(db, c.get("credential"), c.req.valid("json"), once);
      return createdReply(c, rows, "/api/todos");
    })
    .openapi({
      ...reading(deps, { row: todo.row }),
      path: "/api/todos/{id}",
      operationId: "getTodo",
      summary: "Get a todo",
    }, async (c) => {
      const { id } = c.req.valid("param");
      return itemReply(c, await getTodo(chooseDatabase(c, deps), c.get("credential"), id));
    })
    .openapi({
      ...changing(deps, { body: todo.change, row: todo.row }, { problems: ["student_not_found"] }),
      path: "/api/todos/{id}",
      operationId: "updateTodo",
      summary: "Change a todo",
    }, async (c) => {
      const { id } = c.req.valid("param");
      const change = c.req.valid("json");
      const rows = await updateTodo(db, c.get("credential"), id, change, precondition(c));
      return changedReply(c, rows);
    })
    .openapi({
      ...deletion(deps),
      path: "/api/todos/{id}",
      operationId: "deleteTodo",
      summary: "Delete a todo",
    }, async (c) => {
      const { id } = c.req.valid("param");
      return deletedReply(c, await deleteTodo(db, c.get("credential"), id, precondition(c)));
    })
    .openapi({
      ...ofStudent,
      request: { ...ofStudent.request, params: ItemParams },
      tags: ["Students"],
      path: "/api/students/{id}/todos",
      operationId: "listStudentTodos",
      summary: "List a student's todos",
    }, async (c) => {
      const { id } = c.req.valid("param");
      const { request, filter, list } = pageRequest(c.req.path, c.req.valid("query"), todoSorts);
      const from = chooseDatabase(c, deps);
      const rows = await listStudentTodos(from, c.get("credential"), id, request, filter);
      return pageReply(c, rows, list);
    });
}

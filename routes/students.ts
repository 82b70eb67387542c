import {
  createStudent,
  deleteStudent,
  getStudent,
  listStudents,
  studentSorts,
  updateStudent,
} from "../db/students.ts";
import { changing, creation, deletion, listing, reading } from "./_crud.ts";
import { age, schemas, search, text, words } from "./_fields.ts";
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
  first_name: text(100).openapi({ example: "Ada" }),
  last_name: text(100).openapi({ example: "Lovelace" }),
  age: age.nullable(),
};

export const student = schemas("Student", fields, { defaults: { age: null } });

export function studentRoutes(deps: Deps) {
  const { db } = deps;
  return router("Students")
    .openapi({
      ...listing(deps, {
        query: {
          ...pageQuery(studentSorts),
          q: words(1000).optional().openapi({
            description: `Words of the names. ${search}`,
          }),
        },
        page: student.page,
      }),
      path: "/api/students",
      operationId: "listStudents",
      summary: "List students",
    }, async (c) => {
      const { request, filter, list } = pageRequest(c.req.path, c.req.valid("query"), studentSorts);
      const from = chooseDatabase(c, deps);
      return pageReply(c, await listStudents(from, c.get("credential"), request, filter), list);
    })
    .openapi({
      ...creation(deps, { body: student.new, row: student.row }),
      path: "/api/students",
      operationId: "createStudent",
      summary: "Create a student",
    }, async (c) => {
      const once = idempotency(c, "createStudent");
      const rows = await createStudent(db, c.get("credential"), c.req.valid("json"), once);
      return createdReply(c, rows, "/api/students");
    })
    .openapi({
      ...reading(deps, { row: student.row }),
      path: "/api/students/{id}",
      operationId: "getStudent",
      summary: "Get a student",
    }, async (c) => {
      const { id } = c.req.valid("param");
      return itemReply(c, await getStudent(chooseDatabase(c, deps), c.get("credential"), id));
    })
    .openapi({
      ...changing(deps, { body: student.change, row: student.row }),
      path: "/api/students/{id}",
      operationId: "updateStudent",
      summary: "Change a student",
    }, async (c) => {
      const { id } = c.req.valid("param");
      const change = c.req.valid("json");
      const rows = await updateStudent(db, c.get("credential"), id, change, precondition(c));
      return changedReply(c, rows);
    })
    .openapi({
      ...deletion(deps),
      path: "/api/students/{id}",
      operationId: "deleteStudent",
      summary: "Delete a student",
    }, async (c) => {
      const { id } = c.req.valid("param");
      return deletedReply(c, await deleteStudent(db, c.get("credential"), id, precondition(c)));
    });
}

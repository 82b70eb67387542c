import { createRoute } from "@hono/zod-openapi";
import { createStudents, deleteStudents, updateStudents } from "../db/student_batches.ts";
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
import { student } from "./students.ts";

const batch = batchSchemas("Student", student);

/** To be mounted before the routes of one student. */
export function studentBatchRoutes(deps: Deps) {
  const { db } = deps;
  const tags = ["Students"];
  const routes = router()
    .openapi(
      createRoute({
        ...batchCreation(deps, { body: batch.new, row: batch.rows }),
        tags,
        path: "/api/students/batch",
        operationId: "createStudents",
        summary: "Create many students",
      }),
      async (c) => {
        const { items } = c.req.valid("json");
        const once = idempotency(c, "createStudents");
        return batchCreatedReply(c, await createStudents(db, c.get("credential"), items, once));
      },
    )
    .openapi(
      createRoute({
        ...batchChange(deps, { body: batch.change, row: batch.rows }),
        tags,
        path: "/api/students/batch",
        operationId: "updateStudents",
        summary: "Change many students",
      }),
      async (c) => {
        const items = distinct(c.req.valid("json").items);
        return batchChangedReply(c, await updateStudents(db, c.get("credential"), items));
      },
    )
    .openapi(
      createRoute({
        ...batchDeletion(deps),
        tags,
        path: "/api/students/batch",
        operationId: "deleteStudents",
        summary: "Delete many students",
      }),
      async (c) => {
        const items = distinct(c.req.valid("json").items);
        return batchDeletedReply(c, await deleteStudents(db, c.get("credential"), items));
      },
    );
  return routes.all("/api/students/batch", otherMethods);
}

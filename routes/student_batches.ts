import { createStudents, deleteStudents, updateStudents } from "../db/student_batches.ts";
import { batchRoutes } from "./_batch.ts";
import type { Deps } from "./_operation.ts";
import { student } from "./students.ts";

export function studentBatchRoutes(deps: Deps) {
  return batchRoutes(deps, {
    noun: "Student",
    schemas: student,
    create: createStudents,
    update: updateStudents,
    remove: deleteStudents,
  });
}

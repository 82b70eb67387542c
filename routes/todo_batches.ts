import { createTodos, deleteTodos, updateTodos } from "../db/todo_batches.ts";
import { batchRoutes } from "./_batch.ts";
import type { Deps } from "./_operation.ts";
import { todo } from "./todos.ts";

export function todoBatchRoutes(deps: Deps) {
  return batchRoutes(deps, {
    noun: "Todo",
    schemas: todo,
    problems: ["student_not_found"],
    create: createTodos,
    update: updateTodos,
    remove: deleteTodos,
  });
}

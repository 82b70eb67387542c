import { z } from "@hono/zod-openapi";
import { todos } from "../db/todos.ts";
import {
  flag,
  id,
  idParameter,
  instant,
  instantParameter,
  schemas,
  text,
  timestamp,
  words,
} from "./_fields.ts";
import { type Deps, resource } from "./_resource.ts";

const fields = {
  description: text(10_000).openapi({ example: "Buy chalk" }),
  completed: z.boolean("must be true or false"),
  due_date: instant.nullable(),
  student_id: id.nullable().openapi({ description: "A student of your own roster." }),
};

export const todoSchemas = schemas("Todo", fields, {
  defaults: { completed: false, due_date: null, student_id: null },
  answered: { due_date: timestamp.nullable() },
});

/** The filters of a list of todos; a student's own list has all but the student. */
export const todoFilters = {
  completed: flag.optional().openapi({ description: "Only those that are, or are not, done." }),
  due_before: instantParameter.optional().openapi({ description: "Only those due before it." }),
  due_after: instantParameter.optional().openapi({ description: "Only those due after it." }),
  due: z.enum(["none"]).optional().openapi({
    description: "`none`: only todos without a date.",
    // Otherwise the docs page would fill in the only value that there is.
    param: { examples: { default: { value: "none", "x-disabled": true } } },
  }),
  updated_since: instantParameter.optional()
    .openapi({ description: "Only those that changed then or later." }),
  q: words(1000).optional().openapi({ description: "Words to search the descriptions for." }),
};

export function todoRoutes(deps: Deps) {
  return resource(deps, {
    noun: "Todo",
    path: "/api/todos",
    table: todos,
    schemas: todoSchemas,
    filters: {
      ...todoFilters,
      student_id: idParameter.optional().openapi({ description: "Only this student's." }),
    },
    problems: ["student_not_found"],
  });
}

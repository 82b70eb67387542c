import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { BatchChanged, BatchCreated } from "../db/_batch.ts";
import { permit } from "./_auth.ts";
import { creation } from "./_crud.ts";
import { id } from "./_fields.ts";
import { type Deps, jsonReply, NoQuery, secured } from "./_operation.ts";
import { type Fault, Problem, type ProblemCode, problemResponse } from "./_problem.ts";
import { absent, passThrough, refuseReused, writtenHeader } from "./_reply.ts";
import type { Handler, Variables } from "./_step.ts";

/*
 * Many rows in one request: `POST`, `PATCH` and `DELETE` of `/api/<resource>/batch`. All of them or
 * none; a problem points at the item that stops them.
 */

type Ctx = Context<{ Variables: Variables }>;

const most = 100;
const size = `must have 1 to ${most} items`;

function itemsOf<Item extends z.ZodType>(name: string, item: Item) {
  return z.strictObject({ items: z.array(item).min(1, size).max(most, size) }).openapi(name);
}

const reference = {
  id,
  version: id.optional().openapi({
    description: "Does it only if the row still has this version; else 412, and nothing is done.",
  }),
};

const Deletion = itemsOf("RowReferences", z.strictObject(reference).openapi("RowReference"));

/** The schemas of a resource's batches: new rows, changes of rows, and the rows as answered. */
export function batchSchemas<
  New extends z.ZodType,
  Fields extends z.ZodRawShape,
  Row extends z.ZodType,
>(noun: string, schemas: { new: New; change: z.ZodObject<Fields>; row: Row }) {
  // Not by extend(), which the document shows as an allOf that nothing can satisfy.
  const change = z.strictObject({ ...reference, ...schemas.change.shape })
    .openapi(`${noun}ChangeById`);
  return {
    new: itemsOf(`New${noun}s`, schemas.new),
    change: itemsOf(`${noun}Changes`, change),
    rows: z.strictObject({ data: z.array(schemas.row) }).openapi(`${noun}s`),
  };
}

const whole =
  `All of them or none, 1 to ${most} in at most 64 KiB. Problems point at the item, as \`/items/2/id\`.`;
const written = {
  "Slate-Written": {
    description: "The number of this write, for the header of the same name of a read.",
    schema: { type: "string" as const },
  },
};

/** Many new rows, once for each idempotency key; answered by batchCreatedReply(). */
export function batchCreation<Body extends z.ZodType, Row extends z.ZodType>(
  deps: Deps,
  schemas: { body: Body; row: Row },
  problems: ProblemCode[] = [],
) {
  const one = creation(deps, schemas, { problems });
  const { ETag: _, Location: __, ...headers } = one.responses[201].headers;
  return {
    ...one,
    description: whole,
    responses: { 201: { ...one.responses[201], headers } },
  };
}

/** Changes of many rows; answered by batchChangedReply(). */
export function batchChange<Body extends z.ZodType, Row extends z.ZodType>(
  deps: Deps,
  schemas: { body: Body; row: Row },
  problems: ProblemCode[] = [],
) {
  return {
    ...secured(deps, "write", {
      body: {},
      problems: ["item_not_found", "item_repeated", "precondition_failed", ...problems],
    }),
    method: "patch" as const,
    description: `${whole} What is left out of an item stays, null clears.`,
    request: {
      query: NoQuery,
      body: { required: true, content: { "application/json": { schema: schemas.body } } },
    },
    responses: { 200: { ...jsonReply("The rows.", schemas.row), headers: written } },
  };
}

/** The deletion of many rows; answered by batchDeletedReply(). */
export function batchDeletion(deps: Deps) {
  return {
    ...secured(deps, "write", {
      body: {},
      problems: ["item_not_found", "item_repeated", "precondition_failed"],
    }),
    method: "delete" as const,
    description: whole,
    request: {
      query: NoQuery,
      body: { required: true, content: { "application/json": { schema: Deletion } } },
    },
    responses: { 204: { description: "Gone.", headers: written } },
  };
}

/** POST: 201 with the rows, or the remembered answer of the same request. */
export function batchCreatedReply(c: Ctx, rows: BatchCreated[]) {
  const row = permit(c, rows);
  refuseReused(row);
  if (row.body === null) throw stopped(row.faults);
  return passThrough(c, row.body, 201, {
    ...(row.replayed && { "idempotent-replayed": "true" }),
    ...writtenHeader(row),
  });
}

/** PATCH: 200 with the rows. */
export function batchChangedReply(c: Ctx, rows: BatchChanged[]) {
  const row = permit(c, rows);
  if (row.body === null) throw stopped(row.faults);
  return passThrough(c, row.body, 200, writtenHeader(row));
}

/** DELETE: 204. */
export function batchDeletedReply(c: Ctx, rows: BatchChanged[]) {
  const row = permit(c, rows);
  if (row.faults !== "[]") throw stopped(row.faults);
  return c.body(null, 204, writtenHeader(row));
}

/** The fields that can stop a batch, the gravest first. */
const stops: Record<string, [code: ProblemCode, detail: string, fault: Omit<Fault, "pointer">]> = {
  id: ["item_not_found", "Not each of these rows is among yours.", {
    code: "not_found",
    detail: "is no row of yours",
  }],
  student_id: ["student_not_found", "Not each of these students is yours.", {
    code: "not_found",
    detail: "is not a student of yours",
  }],
  version: ["precondition_failed", "Get these rows again and decide anew.", {
    code: "stale",
    detail: "is not the row's version",
  }],
};

function stopped(faults: string): Problem {
  const places: [n: number, field: string][] = JSON.parse(faults);
  const gravest = Object.keys(stops).find((name) => places.some(([, field]) => field === name));
  if (gravest === undefined) return absent();
  const [code, detail] = stops[gravest]!;
  return new Problem(code, `${detail} Nothing was done.`, {
    errors: places.map(([n, field]) => ({ pointer: `/items/${n}/${field}`, ...stops[field]![2] })),
  });
}

/** The items of a change. Throws 422 where a row is there twice, which no JSON Schema can say. */
export function distinct<Item extends { id: number }>(items: Item[]): Item[] {
  const seen = new Set<number>();
  const repeated = items.flatMap(({ id }, n) => seen.size === seen.add(id).size ? [n] : []);
  if (repeated.length === 0) return items;
  throw new Problem("item_repeated", "Say in one item what is to become of a row.", {
    errors: repeated.map((n) => ({
      pointer: `/items/${n}/id`,
      code: "repeated",
      detail: "is the row of an item before",
    })),
  });
}

/** Of all methods that a batch has not: `/api/todos/{id}` would take its address for a row's. */
export const otherMethods: Handler = (c) => {
  const allow = "POST, PATCH, DELETE, OPTIONS";
  if (c.req.method === "OPTIONS") return c.body(null, 204, { allow });
  return problemResponse(
    c,
    new Problem("method_not_allowed", `Allowed are ${allow}.`, { headers: { allow } }),
  );
};

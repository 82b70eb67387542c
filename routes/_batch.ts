import { z } from "@hono/zod-openapi";
import type { BatchChanged, BatchCreated, Item } from "../db/_batch.ts";
import type { Credential } from "../db/_caller.ts";
import type { Idempotency } from "../db/_idempotency.ts";
import type { Database } from "../postgres/mod.ts";
import { permit } from "./_auth.ts";
import { creation, written } from "./_crud.ts";
import { id } from "./_fields.ts";
import { type Deps, jsonReply, NoQuery, router, secured } from "./_operation.ts";
import { type Fault, Problem, type ProblemCode, refuseMethod } from "./_problem.ts";
import { absent, idempotency, passThrough, refuseReused, writtenHeader } from "./_reply.ts";

/*
 * Many rows in one request: `POST`, `PATCH` and `DELETE` of `/api/<resource>/batch`. All of them or
 * none; a problem points at the item that stops them.
 */

const most = 100;
const size = `must have 1 to ${most} items`;

function itemsOf<Item extends z.ZodType>(name: string, item: Item) {
  return z.strictObject({ items: z.array(item).min(1, size).max(most, size) }).openapi(name);
}

const reference = {
  id,
  version: id.optional().openapi({
    description:
      "Changes or deletes the row only if it still has this version; else 412, and nothing is done.",
  }),
};

const Deletion = itemsOf("RowReferences", z.strictObject(reference).openapi("RowReference"));

const whole =
  `All of them or none, 1 to ${most} in at most 64 KiB. Problems point at the item, as \`/items/2/id\`.`;

/** What the batches of a resource are made of. */
interface Resource<New extends z.ZodType, Change extends z.ZodRawShape> {
  /** `Todo`: the rest is named after it. */
  noun: string;
  schemas: { new: New; change: z.ZodObject<Change>; row: z.ZodType };
  /** Those that its own fields bring. */
  problems?: ProblemCode[];
  create(
    db: Database,
    credential: Credential,
    items: z.output<New>[],
    once?: Idempotency,
  ): Promise<BatchCreated[]>;
  update(
    db: Database,
    credential: Credential,
    items: (Item & z.output<z.ZodObject<Change>>)[],
  ): Promise<BatchChanged[]>;
  remove(db: Database, credential: Credential, items: Item[]): Promise<BatchChanged[]>;
}

/** The three operations, to be mounted before those of one row. */
export function batchRoutes<New extends z.ZodType, Change extends z.ZodRawShape>(
  deps: Deps,
  { noun, schemas, problems = [], create, update, remove }: Resource<New, Change>,
) {
  const { db } = deps;
  const name = `${noun}s`;
  const many = name.toLowerCase();
  const path = `/api/${many}/batch`;
  const rows = z.strictObject({ data: z.array(schemas.row) }).openapi(name);
  // Not by extend(), which the document shows as an allOf that nothing can satisfy.
  const change = z.strictObject({ ...reference, ...schemas.change.shape })
    .openapi(`${noun}ChangeById`);
  const creating = creation(deps, { body: itemsOf(`New${name}`, schemas.new), row: rows }, {
    problems,
  });
  const { ETag: _, Location: __, ...headers } = creating.responses[201].headers;
  const stopping: ProblemCode[] = ["item_not_found", "item_repeated", "precondition_failed"];
  const changing = (schema: z.ZodType, problems: ProblemCode[] = []) => ({
    ...secured(deps, "write", { body: {}, problems: [...stopping, ...problems] }),
    request: {
      query: NoQuery,
      body: { required: true, content: { "application/json": { schema } } },
    },
    path,
  });
  return router(name)
    .openapi({
      ...creating,
      responses: { 201: { ...creating.responses[201], headers } },
      path,
      operationId: `create${name}`,
      summary: `Create many ${many}`,
      description: whole,
    }, async (c) => {
      const { items } = c.req.valid("json") as { items: z.output<New>[] };
      const once = idempotency(c, `create${name}`);
      const row = permit(c, await create(db, c.get("credential"), items, once));
      refuseReused(row);
      if (row.body === null) throw stopped(row.faults);
      return passThrough(c, row.body, 201, {
        ...(row.replayed && { "idempotent-replayed": "true" }),
        ...writtenHeader(row),
      });
    })
    .openapi({
      ...changing(itemsOf(`${noun}Changes`, change), problems),
      method: "patch",
      operationId: `update${name}`,
      summary: `Change many ${many}`,
      description: `${whole} What is left out of an item stays, null clears.`,
      responses: { 200: { ...jsonReply("The rows.", rows), headers: written } },
    }, async (c) => {
      const { items } = c.req.valid("json") as {
        items: (Item & z.output<typeof schemas.change>)[];
      };
      const row = permit(c, await update(db, c.get("credential"), distinct(items)));
      if (row.body === null) throw stopped(row.faults);
      return passThrough(c, row.body, 200, writtenHeader(row));
    })
    .openapi({
      ...changing(Deletion),
      method: "delete",
      operationId: `delete${name}`,
      summary: `Delete many ${many}`,
      description: whole,
      responses: { 204: { description: "Gone.", headers: written } },
    }, async (c) => {
      const { items } = c.req.valid("json") as { items: Item[] };
      const row = permit(c, await remove(db, c.get("credential"), distinct(items)));
      if (row.faults !== "[]") throw stopped(row.faults);
      return c.body(null, 204, writtenHeader(row));
    })
    // Else `/api/todos/{id}` would take the address for a row's.
    .all(path, (c) => refuseMethod(c, ["POST", "PATCH", "DELETE"]));
}

/** The fields that can stop a batch, the gravest first. */
const stops: Record<string, [code: ProblemCode, detail: string, fault: Omit<Fault, "pointer">]> = {
  id: ["item_not_found", "At least one of these rows is not yours.", {
    code: "not_found",
    detail: "is not a row of yours",
  }],
  student_id: ["student_not_found", "At least one of these students is not yours.", {
    code: "not_found",
    detail: "is not a student of yours",
  }],
  version: ["precondition_failed", "Get these rows again, and decide again.", {
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
function distinct<Item extends { id: number }>(items: Item[]): Item[] {
  const seen = new Set<number>();
  const repeated = items.flatMap(({ id }, n) => seen.size === seen.add(id).size ? [n] : []);
  if (repeated.length === 0) return items;
  throw new Problem("item_repeated", "A batch names each row once.", {
    errors: repeated.map((n) => ({
      pointer: `/items/${n}/id`,
      code: "repeated",
      detail: "is named by an item before it",
    })),
  });
}

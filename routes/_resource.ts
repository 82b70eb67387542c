import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Table } from "../db/_table.ts";
import type { Variables } from "./_step.ts";
import {
  changedReplyOf,
  createdReplyOf,
  deleted,
  type Deps,
  IdempotencyKey,
  IfMatch,
  IfNoneMatch,
  ItemParams,
  itemReplyOf,
  jsonBodyOf,
  NoQuery,
  notModified,
  pageReplyOf,
  patchBodyOf,
  patchTypes,
  reading,
  router,
  secured,
  SlateWritten,
} from "./_operation.ts";
import { pageQuery, pageReply, pageRequest } from "./_page.ts";
import type { ProblemCode } from "./_problem.ts";
import {
  changedReply,
  createdReply,
  deletedReply,
  idempotency,
  ifMatch,
  itemReply,
} from "./_reply.ts";

export type { Deps };

/** What makes one resource different from another. */
interface Resource<
  Fields extends z.ZodRawShape,
  Sort extends string,
  Filters extends z.ZodRawShape,
> {
  /** The operations are named after it: getTodo, and listTodos in the plural. */
  noun: string;
  path: `/api/${string}`;
  table: Table<z.output<z.ZodObject<Fields>>, Sort, z.output<z.ZodObject<Filters>>>;
  schemas: { row: z.ZodType; new: z.ZodObject<Fields>; change: z.ZodType };
  /** The query parameters that the table's filter takes. */
  filters?: Filters;
  /** What a new row or a change can break, beside what every one can. */
  problems?: ProblemCode[];
}

/**
 * The operations that every resource has: list, create, get, change, delete; without the change
 * where the table's rows cannot be. Each handler hands the validated request to one statement and
 * its row to one reply.
 */
export function resource<
  Fields extends z.ZodRawShape,
  Sort extends string,
  Filters extends z.ZodRawShape = Record<never, never>,
>(deps: Deps, config: Resource<Fields, Sort, Filters>) {
  const { db } = deps;
  const { noun, path, table, schemas, filters, problems = [] } = config;
  const tag = `${noun}s`;
  const low = noun.toLowerCase();
  const item = { params: ItemParams, query: NoQuery };
  const changing: ProblemCode[] = ["not_found", "precondition_failed"];

  const list = secured(deps, table.scopes.list, { tag, problems: ["invalid_cursor"] });
  const listRoute = createRoute({
    ...list.shared,
    method: "get",
    path,
    operationId: `list${noun}s`,
    summary: `List ${low}s`,
    request: {
      query: z.strictObject({ ...pageQuery(table.sorts), ...filters }),
      headers: SlateWritten,
    },
    responses: { 200: pageReplyOf(`${noun}Page`, schemas.row), ...list.problems },
  });

  const create = secured(deps, table.scopes.create, {
    tag,
    body: {},
    problems: ["idempotency_key_reused", ...problems],
  });
  const postRoute = createRoute({
    ...create.shared,
    method: "post",
    path,
    operationId: `create${noun}`,
    summary: `Create a ${low}`,
    request: { query: NoQuery, headers: IdempotencyKey, body: jsonBodyOf(schemas.new) },
    responses: { 201: createdReplyOf(schemas.row), ...create.problems },
  });

  const get = secured(deps, "read", { tag, problems: ["not_found"] });
  const getRoute = createRoute({
    ...get.shared,
    method: "get",
    path: `${path}/{id}`,
    operationId: `get${noun}`,
    summary: `Get a ${low}`,
    request: { ...item, headers: IfNoneMatch },
    responses: { 200: itemReplyOf(schemas.row), 304: notModified, ...get.problems },
  });

  const update = secured(deps, "write", {
    tag,
    body: { types: patchTypes },
    problems: [...changing, ...problems],
  });
  const updateRoute = createRoute({
    ...update.shared,
    method: "patch",
    path: `${path}/{id}`,
    operationId: `update${noun}`,
    summary: `Change a ${low}`,
    description: "A merge patch: what is left out stays, null clears.",
    request: { ...item, headers: IfMatch, body: patchBodyOf(schemas.change) },
    responses: { 200: changedReplyOf(schemas.row), ...update.problems },
  });

  const remove = secured(deps, "write", { tag, problems: changing });
  const deleteRoute = createRoute({
    ...remove.shared,
    method: "delete",
    path: `${path}/{id}`,
    operationId: `delete${noun}`,
    summary: `Delete a ${low}`,
    request: { ...item, headers: IfMatch },
    responses: { 204: deleted, ...remove.problems },
  });

  const routes = router()
    .openapi(listRoute, async (c) => {
      const query = valid<Record<string, string>>(c, "query");
      const { request, filter, asked } = pageRequest<Sort>(query, table.sorts);
      const page = await table.list(reading(c, deps), c.get("key"), request, filter as never);
      return pageReply(c, page, asked);
    })
    .openapi(postRoute, async (c) => {
      const fields = valid<z.output<z.ZodObject<Fields>>>(c, "json");
      const once = idempotency(c, `create${noun}`);
      return createdReply(c, await table.create(db, c.get("key"), fields, once), path);
    })
    .openapi(
      getRoute,
      async (c) => itemReply(c, await table.get(reading(c, deps), c.get("key"), idOf(c))),
    );
  if (table.changeable.length > 0) {
    routes.openapi(updateRoute, async (c) => {
      const fields = valid<Partial<z.output<z.ZodObject<Fields>>>>(c, "json");
      return changedReply(c, await table.update(db, c.get("key"), idOf(c), fields, ifMatch(c)));
    });
  }
  return routes.openapi(
    deleteRoute,
    async (c) => deletedReply(c, await table.remove(db, c.get("key"), idOf(c), ifMatch(c))),
  );
}

/** What a validator left; its type is lost where the schema is a parameter. */
// deno-lint-ignore no-explicit-any -- the context's validated input is not known here
export function valid<Value>(c: Context<any, any, any>, target: string): Value {
  return c.req.valid(target as never) as Value;
}

// deno-lint-ignore no-explicit-any -- as above
export function idOf(c: Context<{ Variables: Variables }, any, any>): string {
  return valid<{ id: string }>(c, "param").id;
}

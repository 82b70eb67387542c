import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Key, Scope } from "../db/_caller.ts";
import type { Created, Idempotency } from "../db/_create.ts";
import type { Changed, Found, Page, Versions } from "../db/_shapes.ts";
import type { PageRequest } from "../db/_sort.ts";
import type { Database } from "../db/mod.ts";
import type { Variables } from "./_auth.ts";
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

/** What makes one resource different from another. */
interface Resource<
  New extends z.ZodType,
  Change extends z.ZodType,
  Filters extends z.ZodRawShape,
  Sort extends string,
> {
  /** The operations are named after it: getTodo, and listTodos in the plural. */
  noun: string;
  path: `/api/${string}`;
  /** The whole row, a new one and a change of one. */
  schemas: { row: z.ZodType; new: New; change: Change };
  /** The first is the default. */
  sorts: readonly [Sort, ...Sort[]];
  filters: Filters;
  /** Where it is not read for the list and write for the creation. */
  scopes?: { list: Scope; create: Scope };
  /** Beside those that every operation has. */
  problems?: { create?: ProblemCode[]; update?: ProblemCode[] };
  list(
    db: Database,
    key: Key,
    request: PageRequest<Sort>,
    filter: z.output<z.ZodObject<Filters>>,
  ): Promise<Page[]>;
  get(db: Database, key: Key, id: string): Promise<Found[]>;
  create(
    db: Database,
    key: Key,
    fields: z.output<New>,
    idempotency?: Idempotency,
  ): Promise<Created[]>;
  update(
    db: Database,
    key: Key,
    id: string,
    fields: z.output<Change>,
    versions?: Versions,
  ): Promise<Changed[]>;
  remove(db: Database, key: Key, id: string, versions?: Versions): Promise<Changed[]>;
}

/**
 * The five operations that every resource has: list, create, get, change, delete. Each handler
 * hands the validated request to one statement and its row to one reply.
 */
export function resource<
  New extends z.ZodType,
  Change extends z.ZodType,
  Filters extends z.ZodRawShape,
  const Sort extends string,
>(deps: Deps, config: Resource<New, Change, Filters, Sort>) {
  const { db } = deps;
  const { noun, path, schemas, sorts, filters, scopes, problems } = config;
  const tag = `${noun}s`;
  const low = noun.toLowerCase();
  const item = { params: ItemParams, query: NoQuery };
  const changing: ProblemCode[] = ["not_found", "precondition_failed"];

  const list = secured(deps, scopes?.list ?? "read", { tag, problems: ["invalid_cursor"] });
  const listRoute = createRoute({
    ...list.shared,
    method: "get",
    path,
    operationId: `list${noun}s`,
    summary: `List ${low}s`,
    request: {
      query: z.strictObject({ ...pageQuery(sorts), ...filters }),
      headers: SlateWritten,
    },
    responses: { 200: pageReplyOf(`${noun}Page`, schemas.row), ...list.problems },
  });

  const create = secured(deps, scopes?.create ?? "write", {
    tag,
    body: {},
    problems: ["idempotency_key_reused", ...problems?.create ?? []],
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
    problems: [...changing, ...problems?.update ?? []],
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

  return router()
    .openapi(listRoute, async (c) => {
      const query = valid<Record<string, string>>(c, "query");
      const { request, filter, context } = pageRequest<Sort>(query, sorts[0]);
      return pageReply(
        c,
        await config.list(reading(c, deps), c.var.key, request, filter as never),
        context,
      );
    })
    .openapi(postRoute, async (c) => {
      const fields = valid<z.output<New>>(c, "json");
      return createdReply(
        c,
        await config.create(db, c.var.key, fields, idempotency(c)),
        path,
      );
    })
    .openapi(
      getRoute,
      async (c) => itemReply(c, await config.get(reading(c, deps), c.var.key, idOf(c))),
    )
    .openapi(updateRoute, async (c) => {
      const fields = valid<z.output<Change>>(c, "json");
      return changedReply(c, await config.update(db, c.var.key, idOf(c), fields, ifMatch(c)));
    })
    .openapi(
      deleteRoute,
      async (c) => deletedReply(c, await config.remove(db, c.var.key, idOf(c), ifMatch(c))),
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

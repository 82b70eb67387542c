import { z } from "@hono/zod-openapi";
import type { Scope } from "../db/_caller.ts";
import { pathId } from "./_fields.ts";
import { type Deps, jsonReply, NoQuery, secured } from "./_operation.ts";
import type { ProblemCode } from "./_problem.ts";
import { entityTags } from "./_reply.ts";

/*
 * What the operations of every resource declare alike: how one row or a page of them is read,
 * created, changed and deleted. A route adds its path, its name and its handler.
 */

interface Kind {
  /** By default `read` for a read and `write` for a write. */
  scope?: Scope;
  /** Its own, beside those of every operation of its kind. */
  problems?: ProblemCode[];
}

export const ItemParams = z.strictObject({
  id: pathId.openapi({ description: "The row's id." }),
});

/** Of a read that a replica may answer; read by chooseDatabase(). */
const SlateWritten = z.object({
  "slate-written": z.string().optional().openapi({
    pattern: "^[0-9]{1,19}$",
    description:
      "Lets a replica answer if it has this write: the `Slate-Written` of your last write, or `0` where any state will do. Without it the primary answers.",
  }),
});

/** Read by itemReply(). */
const IfNoneMatch = SlateWritten.extend({
  "if-none-match": z.string().optional().openapi({
    pattern: entityTags,
    description: 'Answers 304 if the row still has this ETag, such as `"1"`.',
  }),
});

/** Read by precondition(). */
const Preconditions = z.object({
  "if-match": z.string().optional().openapi({
    pattern: entityTags,
    description:
      'Changes or deletes the row only if it still has this ETag, such as `"1"`; else 412.',
  }),
  "if-none-match": z.string().optional().openapi({
    pattern: "^\\*$",
    description: "Only `*`: acts only if the row is not there, and is 412 if it is.",
  }),
});

/** Read by idempotency(). */
const IdempotencyKey = z.object({
  "idempotency-key": z.string().optional().openapi({
    pattern: "^[!-~]{1,255}$",
    description:
      "Makes the request safe to send again for 24 hours: 1 to 255 visible ASCII characters, such as a UUID.",
  }),
});

const header = (description: string) => ({ description, schema: { type: "string" as const } });
const etag = { ETag: header("The row's version.") };
export const written = {
  "Slate-Written": header("The number of this write, for the header of the same name of a read."),
};
const created = {
  ...etag,
  ...written,
  Location: header("The path of the row."),
  "Idempotent-Replayed": header(
    "`true`: this is the answer of an earlier request with the same key.",
  ),
};
const next = { Link: header("The next page, if there is one.") };

/** A list, a page at a time; answered by pageReply(). */
export function listing<Query extends z.ZodRawShape, Page extends z.ZodType>(
  deps: Deps,
  schemas: { query: Query; page: Page },
  { scope = "read", problems = [] }: Kind = {},
) {
  return {
    ...secured(deps, scope, { problems: ["invalid_cursor", ...problems] }),
    method: "get" as const,
    request: { query: z.strictObject(schemas.query), headers: SlateWritten },
    responses: { 200: { ...jsonReply("A page of the list.", schemas.page), headers: next } },
  };
}

/** The creation of a row, once for each idempotency key; answered by createdReply(). */
export function creation<Body extends z.ZodType, Row extends z.ZodType>(
  deps: Deps,
  schemas: { body: Body; row: Row },
  { scope = "write", problems = [], optional = false }: Kind & { optional?: boolean } = {},
) {
  return {
    ...secured(deps, scope, {
      body: { optional },
      problems: ["idempotency_key_reused", ...problems],
    }),
    method: "post" as const,
    request: {
      query: NoQuery,
      headers: IdempotencyKey,
      body: { required: !optional, content: { "application/json": { schema: schemas.body } } },
    },
    responses: { 201: { ...jsonReply("Created.", schemas.row), headers: created } },
  };
}

/** One row; answered by itemReply(). */
export function reading<Row extends z.ZodType>(deps: Deps, schemas: { row: Row }) {
  return {
    ...secured(deps, "read", { problems: ["not_found"] }),
    method: "get" as const,
    request: { params: ItemParams, query: NoQuery, headers: IfNoneMatch },
    responses: {
      200: { ...jsonReply("The row.", schemas.row), headers: etag },
      304: { description: "The row still has the ETag that you sent.", headers: etag },
    },
  };
}

/** A change of one row; answered by changedReply(). */
export function changing<Body extends z.ZodType, Row extends z.ZodType>(
  deps: Deps,
  schemas: { body: Body; row: Row },
  { problems = [] }: Kind = {},
) {
  const content = { schema: schemas.body };
  // Merge patch is the name of what PATCH does; plain JSON is what people send.
  const types = { "application/merge-patch+json": content, "application/json": content };
  return {
    ...secured(deps, "write", {
      body: { types: Object.keys(types) },
      problems: ["not_found", "precondition_failed", ...problems],
    }),
    method: "patch" as const,
    description: "A merge patch: what is left out stays, null clears.",
    request: {
      params: ItemParams,
      query: NoQuery,
      headers: Preconditions,
      body: { required: true, content: types },
    },
    responses: { 200: { ...jsonReply("The row.", schemas.row), headers: { ...etag, ...written } } },
  };
}

/** The deletion of a row; answered by deletedReply(). */
export function deletion(deps: Deps, { scope = "write" }: Kind = {}) {
  return {
    ...secured(deps, scope, { problems: ["not_found", "precondition_failed"] }),
    method: "delete" as const,
    request: { params: ItemParams, query: NoQuery, headers: Preconditions },
    responses: { 204: { description: "Gone.", headers: written } },
  };
}

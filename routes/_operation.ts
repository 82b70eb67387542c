import { type createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Scope } from "../db/_caller.ts";
import type { Database } from "../postgres/mod.ts";
import type { Replica } from "../postgres/replica.ts";
import { authentication } from "./_auth.ts";
import { jsonBody } from "./_body.ts";
import { idParameter } from "./_fields.ts";
import type { Limits } from "./_limits.ts";
import { Problem, type ProblemCode, problems } from "./_problem.ts";
import { fuse, type Handler, type Step, type Variables } from "./_step.ts";
import { type Checked, validation } from "./_validation.ts";

/** What the routes need from outside. */
export interface Deps {
  db: Database;
  replica?: Replica;
  environment: string;
  /** See Settings.devKey. */
  devKey?: string;
  corsOrigins: string[];
  limits: Limits;
  /** One line of JSON a request. */
  log(line: string): void;
}

/**
 * An application for one resource's routes. An operation is one function for Hono: its steps, the
 * validation and the handler. zod-openapi on its own makes a middleware of each part of a request
 * and parses a body once for each media type that it may have.
 */
export function router() {
  const app = new OpenAPIHono<{ Variables: Variables }>();
  app.openapi = ((route: ReturnType<typeof createRoute> & { steps?: Step[] }, handler: Handler) => {
    const { steps = [], middleware = [], ...documented } = route;
    app.openAPIRegistry.registerPath(documented);
    const all = [...steps, validation((route.request ?? {}) as Checked)];
    const path = [route.getRoutingPath()];
    return app.on(route.method, path, ...[middleware].flat(), fuse(all, handler));
  }) as typeof app.openapi;
  return app;
}

export const ProblemSchema = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]]),
  request_id: z.string(),
  errors: z.array(z.strictObject({
    pointer: z.string().optional().openapi({ description: "A JSON Pointer into the body." }),
    parameter: z.string().optional().openapi({ description: "The name of a parameter or header." }),
    code: z.string(),
    detail: z.string(),
  })).optional(),
}).openapi("Problem");

/** Declares the problems of an operation, those of one status together. */
export function problemResponses(...codes: ProblemCode[]): Record<never, never> {
  const byStatus = Object.groupBy([...new Set(codes)], (code) => problems[code][0]);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, ofStatus]) => [status, {
      description: ofStatus!.map((code) => `\`${code}\`: ${problems[code][1]}.`).join(" "),
      content: { "application/problem+json": { schema: ProblemSchema } },
    }]),
  );
}

const everywhere: ProblemCode[] = [
  "malformed_request",
  "invalid_parameter",
  "not_acceptable",
  "rate_limited",
  "internal_error",
];

/** Of an operation that needs no key. */
export const openProblems = problemResponses(...everywhere);

const always: ProblemCode[] = [
  ...everywhere,
  "unavailable",
  "deadline_exceeded",
];

const withBody: ProblemCode[] = [
  "malformed_json",
  "request_timeout",
  "payload_too_large",
  "unsupported_media_type",
  "invalid_body",
];

/** What an operation that needs a key shares: its security, its steps and its problems. */
export function secured(deps: Deps, scope: Scope, options: {
  tag: string;
  problems?: ProblemCode[];
  /** Reads a JSON body of one of these types. */
  body?: { types?: string[]; optional?: boolean };
}) {
  const { tag, problems: own = [], body } = options;
  const steps = [authentication(deps, scope)];
  if (body) steps.push(jsonBody(body));
  return {
    shared: { tags: [tag], security: [{ key: [scope] }], steps },
    problems: problemResponses(
      ...always,
      "unauthorized",
      "insufficient_scope",
      ...(body ? withBody : []),
      ...own,
    ),
  };
}

/** Merge patch is the name of what PATCH does; plain JSON is what people send. */
export const patchTypes = ["application/merge-patch+json", "application/json"];

export function jsonBodyOf<Schema extends z.ZodType>(schema: Schema, required = true) {
  return { required, content: { "application/json": { schema } } };
}

export function patchBodyOf<Schema extends z.ZodType>(schema: Schema) {
  const content = {
    "application/merge-patch+json": { schema },
    "application/json": { schema },
  };
  return { required: true, content };
}

/** For an operation that takes no query parameter: one is a mistake that its sender should see. */
export const NoQuery = z.strictObject({});

export const ItemParams = z.strictObject({
  id: idParameter.openapi({ description: "The row's id." }),
});

const header = (description: string) => ({ description, schema: { type: "string" as const } });
const etag = { ETag: header("The row's version.") };
const written = { "Slate-Written": header("For a read that must see this; see there.") };
const created = {
  ...etag,
  ...written,
  Location: header("Where the row is."),
  "Idempotent-Replayed": header("`true`: the remembered answer of the same request."),
};
const next = { Link: header("The next page, if there is one.") };

/** The answers that several operations declare, each under its status. */
export function jsonReply<Schema extends z.ZodType>(description: string, schema: Schema) {
  return { description, content: { "application/json": { schema } } };
}

export function itemReplyOf<Schema extends z.ZodType>(schema: Schema) {
  return { ...jsonReply("The row.", schema), headers: etag };
}

export function changedReplyOf<Schema extends z.ZodType>(schema: Schema) {
  return { ...jsonReply("The row.", schema), headers: { ...etag, ...written } };
}

export function createdReplyOf<Schema extends z.ZodType>(schema: Schema) {
  return { ...jsonReply("Created.", schema), headers: created };
}

/** A page of the rows; the schema gets this name. */
export function pageReplyOf(name: string, row: z.ZodType) {
  const schema = z.strictObject({
    data: z.array(row),
    next_cursor: z.string().nullable()
      .openapi({ description: "Null: this is the last page." }),
  }).openapi(name);
  return { ...jsonReply("A page.", schema), headers: next };
}

export const notModified = { description: "It is still the one you have.", headers: etag };
export const deleted = { description: "Gone.", headers: written };

/** Where a read reads: from the replica only for whoever says that it may. */
export function reading(c: Context, { db, replica }: Deps): Database {
  const written = c.req.header("slate-written");
  if (written === undefined) return db;
  if (/^\d{1,19}$/.test(written)) return replica?.after(written) ?? db;
  throw new Problem("invalid_parameter", "Slate-Written is not valid.", {
    errors: [{
      parameter: "Slate-Written",
      code: "invalid_format",
      detail: "must be one that a write was answered with",
    }],
  });
}

/** Documented here, read by ifMatch(). */
export const IfMatch = z.object({
  "if-match": z.string().optional()
    .openapi({ description: 'Change it only if it still has this ETag, such as `"1"`.' }),
});

/** The token of a read that may come from a replica, read by reading(). */
export const SlateWritten = z.object({
  "slate-written": z.string().optional().openapi({
    pattern: "^[0-9]{1,19}$",
    description:
      "Lets a replica answer, if there is one and it has what was written: the `Slate-Written` of your last write, or `0` for any. Without it the primary answers.",
  }),
});

export const IfNoneMatch = SlateWritten.extend({
  "if-none-match": z.string().optional()
    .openapi({ description: 'Send it only if its ETag is another than this, such as `"1"`.' }),
});

export const IdempotencyKey = z.object({
  "idempotency-key": z.string().optional().openapi({
    pattern: "^[!-~]{1,255}$",
    description:
      "Makes the request safe to send again within 24 hours: 1 to 255 visible ASCII characters, such as a UUID.",
  }),
});

import { OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Scope } from "../db/_caller.ts";
import type { Database } from "../postgres/mod.ts";
import { authentication } from "./_auth.ts";
import { jsonBody } from "./_body.ts";
import { malformedHeader, mostFaults, type ProblemCode, problems } from "./_problem.ts";
import { cancellable } from "./_disconnect.ts";
import { hasPrecondition, refusePreconditions } from "./_precondition.ts";
import { compose, type Deps, type Handler, type Step, type Variables } from "./_step.ts";
import { type Validated, validation } from "./_validation.ts";

export type { Deps } from "./_step.ts";

/** What a route has beyond its OpenAPI description; see secured(). */
interface Secured {
  steps?: Step[];
  problems?: ProblemCode[];
}

/**
 * A router for the operations under one tag. For Hono each is one function: its steps, the
 * validation and the handler. zod-openapi would make a middleware of each part of a request, and
 * parse a body once for each media type that it may have.
 */
export function router(tag = "") {
  const app = new OpenAPIHono<{ Variables: Variables }>();
  app.openapi = ((route: RouteConfig & Secured, handler: Handler) => {
    const { steps = [], problems = [], middleware = [], ...documented } = route;
    const responses = { ...route.responses, ...problemResponses(...problems) };
    app.openAPIRegistry.registerPath({ tags: [tag], ...documented, responses });
    const all = [...steps, validation((route.request ?? {}) as Validated)];
    if (!hasPrecondition(route)) all.push(refusePreconditions);
    const path = [route.path.replaceAll(/\{(\w+)\}/g, ":$1")];
    return app.on(route.method, path, ...[middleware].flat(), compose(all, cancellable(handler)));
  }) as typeof app.openapi;
  return app;
}

const ProblemSchema = z.strictObject({
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
  })).max(mostFaults).optional(),
}).openapi("Problem");

/** Declares the problems of an operation, those of one status together. */
function problemResponses(...codes: ProblemCode[]): Record<never, never> {
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

/** For an operation without query parameters: one that is sent is a mistake, answered with 400. */
export const NoQuery = z.strictObject({});

/** What every operation that needs no key shares. */
export const keyless = { security: [], request: { query: NoQuery }, problems: everywhere };

const withKey: ProblemCode[] = [
  ...everywhere,
  "unauthorized",
  "forbidden",
  "insufficient_scope",
  "unavailable",
  "issuer_unavailable",
  "deadline_exceeded",
];

const withBody: ProblemCode[] = [
  "malformed_json",
  "request_timeout",
  "payload_too_large",
  "unsupported_media_type",
  "invalid_body",
];

/** What every operation that needs a key shares: its security, its steps and its problems. */
export function secured(deps: Deps, scope: Scope, { body, problems = [] }: {
  /** Reads a JSON body of one of these types. */
  body?: { types?: string[]; optional?: boolean };
  /** Its own, beside those that every one has. */
  problems?: ProblemCode[];
} = {}) {
  const steps = [authentication(deps, scope)];
  if (body) steps.push(jsonBody(body));
  return {
    security: [{ apiKey: [scope] }],
    steps,
    problems: [...withKey, ...(body ? withBody : []), ...problems],
  };
}

export function jsonReply<Schema extends z.ZodType>(description: string, schema: Schema) {
  return { description, content: { "application/json": { schema } } };
}

/**
 * The database that a read asks: the replica only for a caller who allows it. Throws 400 for a
 * malformed Slate-Written.
 */
export function chooseDatabase(c: Context, { db, replica }: Deps): Database {
  const written = c.req.header("slate-written");
  // A person who is new here gets their account by this statement, which a replica cannot make.
  if (written === undefined || typeof c.get("credential")?.ownerId === "object") return db;
  if (/^\d{1,19}$/.test(written)) return replica?.after(written) ?? db;
  throw malformedHeader("Slate-Written", "must be the Slate-Written of a write, or 0");
}

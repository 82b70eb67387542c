import type { Context } from "hono";
import { DatabaseError, DeadlinePassed, Unreachable } from "../postgres/mod.ts";

/**
 * Every error that the API answers with. A code is permanent: callers depend on it. This table also
 * feeds the OpenAPI document, and a test provokes each of them.
 */
export const problems = {
  malformed_request: [400, "The request is malformed"],
  malformed_json: [400, "The body is not JSON"],
  invalid_parameter: [400, "A parameter is not valid"],
  invalid_cursor: [400, "The cursor is malformed or belongs to another list"],
  unauthorized: [401, "A valid credential is required"],
  forbidden: [403, "This is not allowed here"],
  insufficient_scope: [403, "The credential's scope does not allow this"],
  not_found: [404, "There is no such resource"],
  method_not_allowed: [405, "This method is not allowed here"],
  not_acceptable: [406, "The Accept header allows nothing that can be sent"],
  request_timeout: [408, "The body did not arrive in time"],
  email_taken: [409, "Another user has this email address"],
  cursor_expired: [410, "The cursor is too old to go on from"],
  precondition_failed: [412, "The row has changed"],
  payload_too_large: [413, "The body is too large"],
  unsupported_media_type: [415, "The body must be JSON in UTF-8"],
  invalid_body: [422, "The body is not valid"],
  student_not_found: [422, "There is no such student"],
  item_not_found: [422, "A row of the batch is not there"],
  item_repeated: [422, "A row is in the batch twice"],
  idempotency_key_reused: [422, "The idempotency key belongs to another request"],
  rate_limited: [429, "Too many requests"],
  internal_error: [500, "An internal error"],
  unavailable: [503, "The database is not available"],
  migrations_pending: [503, "The database lacks migrations"],
  issuer_unavailable: [503, "The issuer of the token is not available"],
  deadline_exceeded: [504, "The request took too long"],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof problems;

/** One fault of a request: where it is and what the rule says, never what was sent. */
export interface Fault {
  /** Of a fault in the body: a JSON Pointer (RFC 6901). */
  pointer?: string;
  /** Of a fault in a parameter or header: its name. */
  parameter?: string;
  code: string;
  detail: string;
}

/** Faults that one answer names at most: it must not be many times as long as what was sent. */
export const mostFaults = 20;

/** An error to answer with (RFC 9457). Handlers and steps throw it; errorResponse() renders it. */
export class Problem extends Error {
  override name = "Problem";
  readonly status: number;
  readonly title: string;

  constructor(
    readonly code: ProblemCode,
    detail: string,
    readonly extra: { errors?: Fault[]; headers?: Record<string, string> } = {},
  ) {
    const { errors = [] } = extra;
    super(errors.length > mostFaults ? `${detail} The first ${mostFaults} faults follow.` : detail);
    [this.status, this.title] = problems[code];
  }
}

/**
 * What a violated constraint means to the caller: the problem, the field, and what is wrong with
 * it. One that is not here is a bug.
 */
const constraints: Record<string, [code: ProblemCode, field: string, detail: string]> = {
  users_email_key: ["email_taken", "email", "is another user's, without regard to case"],
  todos_student_id_fkey: ["student_not_found", "student_id", "is not a student of yours"],
};

/** The code of the field's fault by SQLSTATE. Any other one is a check that the value broke. */
const faultCodes: Record<string, string> = {
  "23505": "taken",
  "23P01": "taken",
  "23503": "not_found",
};

/** One answer for a missing, unknown, expired and revoked credential: it must not tell which. */
export function unauthorized(): Problem {
  const detail =
    "Send `Authorization: Bearer <credential>` with a valid API key, or a valid access token where those are taken.";
  return new Problem("unauthorized", detail, {
    headers: { "www-authenticate": 'Bearer realm="slate"' },
  });
}

/** 400 for a header; `must` is its rule, as "must be `*`". */
export function malformedHeader(name: string, must: string): Problem {
  return new Problem("invalid_parameter", `${name} ${must}.`, {
    errors: [{ parameter: name, code: "invalid_format", detail: must }],
  });
}

/** 403 for a credential that is good and says too little. */
export function insufficientScope(detail: string): Problem {
  return new Problem("insufficient_scope", detail, {
    headers: { "www-authenticate": 'Bearer realm="slate", error="insufficient_scope"' },
  });
}

/** A problem that may be over in so many seconds. */
export function retryLater(
  code: ProblemCode,
  detail: string,
  seconds = 1,
  headers: Record<string, string> = {},
): Problem {
  return new Problem(code, detail, { headers: { "retry-after": String(seconds), ...headers } });
}

/** The problem that an error stands for. One that is not foreseen here is a bug: 500. */
function toProblem(error: unknown, method: string): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof DeadlinePassed) {
    const detail = "The request was stopped. A write may have been done or not.";
    return retryLater("deadline_exceeded", detail);
  }
  if (error instanceof Unreachable) return unavailable();
  if (error instanceof DatabaseError) {
    const name = error.constraint ?? "";
    // The caller was deleted while the request was under way.
    if (name.endsWith("_owner_id_fkey")) return unauthorized();
    if (name in constraints) {
      const [code, field, detail] = constraints[name]!;
      const fault = faultCodes[error.code] ?? "invalid_value";
      return new Problem(code, `The field ${field} ${detail}.`, {
        errors: [{ pointer: `/${field}`, code: fault, detail }],
      });
    }
    // Data exceptions: a value that passed the schema and that PostgreSQL cannot hold.
    if (error.code.startsWith("22")) {
      return method === "GET"
        ? new Problem("invalid_parameter", "A value is out of the range that can be compared.")
        : new Problem("invalid_body", "A value is out of the range that can be stored.");
    }
    if (error.code === "57014") {
      return retryLater("deadline_exceeded", "The statement was stopped.");
    }
    // A conflict that lasted, no room, no connection, a server that only reads: try again later.
    if (/^(40(001|P01)|53|57P|55P03|08|25006)/.test(error.code)) return unavailable();
  }
  return new Problem("internal_error", "It was logged. Report it with the request_id.");
}

function unavailable(): Problem {
  return retryLater("unavailable", "Try again in a moment.");
}

/** The response to what was thrown, which stays in the context for the log. */
export function errorResponse(error: Error, c: Context): Response {
  c.error = error;
  return problemResponse(c, toProblem(error, c.req.method));
}

export function problemResponse(c: Context, problem: Problem): Response {
  const { code, status, title, message, extra } = problem;
  c.set("problem", code);
  return c.body(
    JSON.stringify({
      type: `urn:slate:problem:${code}`,
      title,
      status,
      detail: message,
      code,
      request_id: c.get("requestId"),
      ...(extra.errors && { errors: extra.errors.slice(0, mostFaults) }),
    }),
    status as 400,
    { "content-type": "application/problem+json", ...extra.headers },
  );
}

/** 405 that names the methods of an address, or its answer to OPTIONS. */
export function refuseMethod(c: Context, methods: string[]): Response {
  const allow = [...methods, "OPTIONS"].join(", ");
  // Not by the context, which may have the headers of another answer by now.
  if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  const detail = `Allowed are ${allow}.`;
  return problemResponse(c, new Problem("method_not_allowed", detail, { headers: { allow } }));
}

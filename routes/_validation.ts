import type { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { type Fault, Problem } from "./_problem.ts";
import type { Step } from "./_step.ts";

/** A zod issue as far as it is used here; the value that was sent is never in it. */
interface Issue {
  code?: string;
  path: PropertyKey[];
  message: string;
  keys?: string[];
  values?: unknown[];
  expected?: string;
}

/** The parts of a route's request that are checked; what it says of headers is only documented. */
export interface Checked {
  query?: z.ZodType;
  params?: z.ZodType;
  body?: { content: Record<string, { schema?: unknown } | undefined> };
}

/**
 * Validates a whole request, its body as jsonBody() left it. Throws the problem that a fault means:
 * in a parameter 400, in a body that is JSON and breaks its schema 422.
 */
export function validation({ query, params, body }: Checked): Step {
  // The media types of a body are names for one schema.
  const schema = Object.values(body?.content ?? {})[0]?.schema as z.ZodType | undefined;
  return (c, next) => {
    if (query) keep(c, "query", query, queryOf(c));
    if (params) keep(c, "param", params, c.req.param());
    if (schema) keep(c, "json", schema, c.get("json"));
    return next(c);
  };
}

/** A parameter that is there once is text, one that is repeated an array, which no schema takes. */
function queryOf(c: Context): Record<string, string | string[]> {
  if (!c.req.url.includes("?")) return {};
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, all]) => [name, all.length === 1 ? all[0]! : all]),
  );
}

function keep(c: Context, target: "query" | "param" | "json", schema: z.ZodType, value: unknown) {
  const { success, data, error } = schema.safeParse(value);
  if (success) return c.req.addValidatedData(target, data as object);
  const inBody = target === "json";
  const errors = (error.issues as unknown as Issue[]).flatMap((issue) => faults(issue, inBody));
  throw inBody
    ? new Problem("invalid_body", "The body does not match its schema.", { errors })
    : new Problem("invalid_parameter", "A parameter does not match its schema.", { errors });
}

function faults(issue: Issue, inBody: boolean): Fault[] {
  const at = (path: PropertyKey[]) =>
    inBody
      ? { pointer: path.map((part) => `/${escapePointer(String(part))}`).join("") }
      : { parameter: String(path[0]) };
  if (issue.code === "unrecognized_keys") {
    return issue.keys!.map((key) => ({
      ...at([...issue.path, key]),
      code: "unknown",
      detail: inBody ? "is not a field" : "is not a parameter",
    }));
  }
  return [{ ...at(issue.path), ...describe(issue) }];
}

function describe(issue: Issue): { code: string; detail: string } {
  switch (issue.code) {
    case "invalid_type":
      // zod tells a missing value only in its message.
      if (issue.message.endsWith("received undefined")) {
        return { code: "required", detail: "is required" };
      }
      if (issue.message.endsWith("received array")) {
        return { code: "invalid_type", detail: `must be one ${issue.expected}` };
      }
      return { code: "invalid_type", detail: `must be a ${issue.expected}` };
    case "invalid_value":
      return { code: "invalid_value", detail: `must be one of ${issue.values!.join(", ")}` };
    default:
      // The messages of our own schemas: they state the rule, never the value.
      return {
        code: issue.code === "custom" ? "invalid_value" : issue.code!,
        detail: issue.message,
      };
  }
}

/** RFC 6901, section 3. */
function escapePointer(part: string): string {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}

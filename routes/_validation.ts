import type { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { type Fault, Problem } from "./_problem.ts";
import type { Step } from "./_step.ts";

type Issue = z.core.$ZodIssue;

/** The parts of a route's request that are validated. Its headers are only documented by it. */
export interface Validated {
  query?: z.ZodType;
  params?: z.ZodType;
  body?: { content: Record<string, { schema?: unknown } | undefined> };
}

/**
 * Validates a whole request, whose body jsonBody() has parsed. Throws Problem: 400 for a fault in a
 * parameter, 422 for a body that is JSON and breaks its schema.
 */
export function validation({ query, params, body }: Validated): Step {
  // All media types of a body have the same schema.
  const schema = Object.values(body?.content ?? {})[0]?.schema as z.ZodType | undefined;
  return (c, next) => {
    if (query) validate(c, "query", query, queryOf(c));
    if (params) validate(c, "param", params, c.req.param());
    if (schema) validate(c, "json", schema, c.get("json"));
    return next(c);
  };
}

/**
 * A parameter that comes once is text; a repeated one is an array, which no schema accepts, and one
 * without a name, which Hono leaves out, is unknown.
 */
function queryOf(c: Context): Record<string, string | string[]> {
  const start = c.req.url.indexOf("?");
  if (start < 0) return {};
  const query = Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, all]) => [name, all.length === 1 ? all[0]! : all]),
  );
  return /^[?]=|&=/.test(c.req.url.slice(start)) ? { ...query, "": "" } : query;
}

/** Leaves what the schema made of the value for `c.req.valid()`. */
function validate(
  c: Context,
  target: "query" | "param" | "json",
  schema: z.ZodType,
  value: unknown,
) {
  const { success, data, error } = schema.safeParse(value, { reportInput: true });
  if (success) return c.req.addValidatedData(target, data as object);
  const inBody = target === "json";
  const errors = error.issues.flatMap((issue) => faults(issue, inBody));
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
    return issue.keys.map((key) => ({
      ...at([...issue.path, key]),
      code: "unknown",
      detail: inBody ? "is not a field" : "is not a parameter",
    }));
  }
  return [{ ...at(issue.path), ...describe(issue, inBody) }];
}

/** What the types of JSON are called in a sentence. */
const nouns: Record<string, string> = {
  string: "text",
  number: "a number",
  boolean: "true or false",
  object: "an object",
  array: "an array",
};

/** What is wrong. The messages of our own schemas state the rule, never the value. */
function describe(issue: Issue, inBody: boolean) {
  const { code, message, input } = issue;
  if (input === undefined) return { code: "required", detail: "is required" };
  if (Array.isArray(input) && !inBody) return { code, detail: "must be given once" };
  if (issue.code === "invalid_value") {
    const values = issue.values.map(String);
    const choice = values.length === 1 ? values[0] : `one of ${values.join(", ")}`;
    return { code, detail: `must be ${choice}` };
  }
  // zod's own message, which is for programmers.
  if (issue.code === "invalid_type" && message.startsWith("Invalid input")) {
    return { code, detail: `must be ${nouns[issue.expected]}` };
  }
  return { code: code === "custom" ? "invalid_value" : code, detail: message };
}

/** RFC 6901, section 3. */
function escapePointer(part: string): string {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}

import type { Context } from "hono";
import { type Fault, Problem } from "./_problem.ts";

/** A zod issue as far as it is used here; the value that was sent is never in it. */
interface Issue {
  code?: string;
  path: PropertyKey[];
  message: string;
  keys?: string[];
  values?: unknown[];
  expected?: string;
}

type Result = { success: boolean; error?: { issues: readonly unknown[] }; target: string };

/**
 * The hook of every validated route: throws the problem that a failed validation means. A fault of
 * a parameter is 400; a body that is JSON and breaks its schema is 422.
 */
export function refuseInvalid(result: Result, _c: Context) {
  if (result.success) return;
  const inBody = result.target === "json";
  const errors = (result.error!.issues as Issue[]).flatMap((issue) => faults(issue, inBody));
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

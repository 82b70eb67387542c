import { type RouteConfig, z } from "@hono/zod-openapi";
import { Problem } from "./_problem.ts";
import type { Step } from "./_step.ts";

/** Whether an operation only reads, or heeds the If-Match that it declares. */
export function hasPrecondition({ method, request }: RouteConfig): boolean {
  const headers = request?.headers;
  return method === "get" || headers instanceof z.ZodObject && "if-match" in headers.shape;
}

/** A change that would be made whatever is there. To ignore what its caller demands would be worse. */
export const refusePreconditions: Step = (c, next) => {
  const sent = ["If-Match", "If-None-Match"].filter((name) => c.req.header(name) !== undefined);
  if (sent.length === 0) return next(c);
  throw new Problem("invalid_parameter", "Only the change of one row has a precondition.", {
    errors: sent.map((parameter) => ({
      parameter,
      code: "unknown",
      detail: "means nothing here; an item of a batch has `version`",
    })),
  });
};

import type { Context } from "hono";
import type { Credential } from "../db/_caller.ts";

/** What the steps leave for the handlers in `c.var`. */
export interface Variables {
  requestId: string;
  credential: Credential;
  callerId?: string;
  body?: Uint8Array;
  json?: unknown;
  /** The code of the problem that is answered. */
  problem?: string;
}

export type Handler = (c: Context<{ Variables: Variables }>) => Response | Promise<Response>;

/**
 * What an operation does before its handler, or around it. Not a middleware: each of Hono's costs a
 * request two promises that live until the database has answered, and hands no answer back.
 */
export type Step = (
  c: Context<{ Variables: Variables }>,
  next: Handler,
) => Response | Promise<Response>;

/** The one function that the steps and their handler are together. */
export function fuse(steps: Step[], handler: Handler): Handler {
  return steps.reduceRight<Handler>((next, step) => (c) => step(c, next), handler);
}

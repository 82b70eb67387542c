import type { Context } from "hono";
import type { Credential } from "../db/_caller.ts";
import type { Database } from "../postgres/mod.ts";
import type { Replica } from "../postgres/replica.ts";
import type { Limits } from "./_limits.ts";
import type { Tokens } from "./_token.ts";

/** What the routes need from the process. */
export interface Deps {
  db: Database;
  replica?: Replica;
  environment: string;
  /** See Settings.devKey. */
  devKey?: string;
  corsOrigins: string[];
  limits: Limits;
  /** Who signs in by an OpenID Connect issuer, where one is set. */
  tokens?: Tokens;
  /** One line of JSON a request. */
  log(line: string): void;
  /** Whether what is done is measured, by Deno's OpenTelemetry. */
  telemetry?: boolean;
}

/** What the steps leave in the context, for the handlers and the log. */
export interface Variables {
  requestId: string;
  credential: Credential;
  callerId?: string;
  body?: Uint8Array;
  json?: unknown;
  /** Resolves when a long answer has been taken, or its caller is gone. */
  sent?: Promise<void>;
  /** The code of the problem that was answered. */
  problem?: string;
}

export type Handler = (c: Context<{ Variables: Variables }>) => Response | Promise<Response>;

/**
 * What an operation does before its handler, or around it. Not a middleware of Hono's: each of those
 * costs a request two promises that live until the database has answered, and returns no answer.
 */
export type Step = (
  c: Context<{ Variables: Variables }>,
  next: Handler,
) => Response | Promise<Response>;

/** Makes one function of the steps and their handler. */
export function compose(steps: Step[], handler: Handler): Handler {
  return steps.reduceRight<Handler>((next, step) => (c) => step(c, next), handler);
}

import { z } from "@hono/zod-openapi";
import { listAppliedVersions } from "../db/health.ts";
import { DatabaseError, DeadlinePassed, Unreachable } from "../postgres/mod.ts";
import { type Deps, jsonReply, keyless, router } from "./_operation.ts";
import { pendingMigrations } from "./_metrics.ts";
import { retryLater } from "./_problem.ts";

const Welcome = z.strictObject({
  msg: z.literal("todos api is up"),
  success: z.literal(true),
  data: z.null(),
}).openapi("Welcome");

const Health = z.strictObject({ status: z.literal("ok") }).openapi("Health");

/** The versions of this build's migrations, with which the names of the files begin. */
async function expectedVersions(): Promise<string[]> {
  const versions: string[] = [];
  for await (const { name } of Deno.readDir(new URL("../db/migrations", import.meta.url))) {
    if (name.endsWith(".sql")) versions.push(name.split("_")[0]!);
  }
  return versions;
}

/** What is wrong, without an address, a name or a password: this needs no key. */
function notReady(error: unknown): unknown {
  let detail;
  if (error instanceof DeadlinePassed) detail = "The database does not answer in time.";
  if (error instanceof Unreachable) {
    detail = `The database cannot be reached (${error.code ?? "the connection broke"}).`;
  }
  if (error instanceof DatabaseError && error.code === "42501") {
    detail = "The database's role may not read schema_migrations: run db/grants.sql.";
  }
  return detail ? retryLater("unavailable", detail) : error;
}

/** How long a result is used again: this needs no key, and may be called at any rate. */
const keptMs = 1000;

export function healthRoutes({ db, telemetry }: Deps) {
  const measure = telemetry ? pendingMigrations() : undefined;
  let expected: Promise<string[]> | undefined;

  /** The problem of the database, if any. */
  async function check(): Promise<unknown> {
    try {
      expected ??= expectedVersions();
      const applied = await listAppliedVersions(db).catch((error) => {
        if (error instanceof DatabaseError && error.code === "42P01") return [];
        throw notReady(error);
      });
      const missing = new Set(await expected).difference(new Set(applied.map((a) => a.version)));
      measure?.(missing.size);
      if (missing.size === 0) return undefined;
      const first = [...missing].sort()[0];
      const detail = `The database lacks ${missing.size} migrations, the first is ${first}.`;
      return retryLater("migrations_pending", detail, 5);
    } catch (error) {
      return error;
    }
  }

  let found: Promise<unknown> | undefined;
  /** When it was found; Infinity while the check runs. */
  let foundAt = Infinity;

  /** One check for all requests that come while it runs, and right after. */
  function ready(): Promise<unknown> {
    if (found && performance.now() - foundAt < keptMs) return found;
    foundAt = Infinity;
    found = check().finally(() => foundAt = performance.now());
    return found;
  }

  return router("Health")
    .openapi({
      ...keyless,
      method: "get",
      path: "/api",
      operationId: "getWelcome",
      summary: "Check that the API is up",
      responses: { 200: jsonReply("The API is up.", Welcome) },
    }, (c) => c.json({ msg: "todos api is up" as const, success: true as const, data: null }, 200))
    .openapi({
      ...keyless,
      method: "get",
      path: "/api/health/live",
      operationId: "getLiveness",
      summary: "Check that the process is alive",
      description: "Never touches the database: its outage is no reason to restart the API.",
      responses: { 200: jsonReply("The process is alive.", Health) },
    }, (c) => c.json({ status: "ok" as const }, 200))
    .openapi({
      ...keyless,
      method: "get",
      path: "/api/health/ready",
      operationId: "getReadiness",
      summary: "Check that requests can be served",
      description: "The database answers and has every migration that this build expects.",
      problems: [...keyless.problems, "unavailable", "migrations_pending", "deadline_exceeded"],
      responses: { 200: jsonReply("Requests can be served.", Health) },
    }, async (c) => {
      const problem = await ready();
      if (problem) throw problem;
      return c.json({ status: "ok" as const }, 200);
    });
}

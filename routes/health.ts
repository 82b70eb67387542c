import { createRoute, z } from "@hono/zod-openapi";
import { listAppliedVersions } from "../db/health.ts";
import { DatabaseError, DeadlinePassed, Unreachable } from "../postgres/mod.ts";
import {
  type Deps,
  jsonReply,
  NoQuery,
  openProblems,
  problemResponses,
  router,
} from "./_operation.ts";
import { pendingMigrations } from "./_metrics.ts";
import { Problem } from "./_problem.ts";

const Welcome = z.strictObject({
  msg: z.literal("todos api is up"),
  success: z.literal(true),
  data: z.null(),
}).openapi("Welcome");

const Health = z.strictObject({ status: z.literal("ok") }).openapi("Health");

const common = { tags: ["Health"], security: [], request: { query: NoQuery } };

/** The versions that this build was made with: the names of its migration files begin with them. */
async function expectedVersions(): Promise<string[]> {
  const versions: string[] = [];
  for await (const { name } of Deno.readDir(new URL("../db/migrations", import.meta.url))) {
    if (name.endsWith(".sql")) versions.push(name.split("_")[0]!);
  }
  return versions;
}

/** What is wrong, in words without an address, a name or a password: anybody may ask. */
function notReady(error: unknown): unknown {
  let detail;
  if (error instanceof DeadlinePassed) detail = "The database does not answer in time.";
  if (error instanceof Unreachable) {
    detail = `The database cannot be reached (${error.code ?? "the connection broke"}).`;
  }
  if (error instanceof DatabaseError && error.code === "42501") {
    detail = "The database's role may not read schema_migrations: run db/grants.sql.";
  }
  return detail ? new Problem("unavailable", detail, { headers: { "retry-after": "1" } }) : error;
}

export function healthRoutes({ db, telemetry }: Deps) {
  let expected: Promise<string[]> | undefined;

  /** Those that this build expects and the database has not, the oldest first. */
  async function missing(): Promise<string[]> {
    expected ??= expectedVersions();
    const applied = await listAppliedVersions(db).catch((error) => {
      if (error instanceof DatabaseError && error.code === "42P01") return [];
      throw error;
    });
    const versions = new Set(applied.map(({ version }) => version));
    return (await expected).filter((version) => !versions.has(version)).sort();
  }

  const measure = telemetry ? pendingMigrations() : undefined;
  return router()
    .openapi(
      createRoute({
        ...common,
        method: "get",
        path: "/api",
        operationId: "getWelcome",
        summary: "Say that the API is up",
        responses: { 200: jsonReply("Up.", Welcome), ...openProblems },
      }),
      (c) => c.json({ msg: "todos api is up" as const, success: true as const, data: null }, 200),
    )
    .openapi(
      createRoute({
        ...common,
        method: "get",
        path: "/api/health/live",
        operationId: "getLiveness",
        summary: "Say that the process answers",
        description: "Never touches the database: its outage is no reason to restart the API.",
        responses: { 200: jsonReply("Live.", Health), ...openProblems },
      }),
      (c) => c.json({ status: "ok" as const }, 200),
    )
    .openapi(
      createRoute({
        ...common,
        method: "get",
        path: "/api/health/ready",
        operationId: "getReadiness",
        summary: "Say that requests can be served",
        description: "The database answers and has every migration that this build expects.",
        responses: {
          200: jsonReply("Ready.", Health),
          ...openProblems,
          ...problemResponses("unavailable", "deadline_exceeded"),
        },
      }),
      async (c) => {
        const versions = await missing().catch((error) => {
          throw notReady(error);
        });
        measure?.(versions.length);
        if (versions.length > 0) {
          throw new Problem(
            "unavailable",
            `The database lacks ${versions.length} migrations, the first is ${versions[0]}.`,
            { headers: { "retry-after": "5" } },
          );
        }
        return c.json({ status: "ok" as const }, 200);
      },
    );
}

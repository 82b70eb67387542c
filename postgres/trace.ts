import { type Database, DatabaseError, type Statement } from "./mod.ts";

/** As OpenTelemetry numbers them. */
const client = 2;
const failed = 2;

/**
 * The same database, with a span for each statement inside the span of its request: what is done to
 * which table, how many rows came back, the SQLSTATE of a failure; never a value. By Deno's own
 * OpenTelemetry, so that it costs no dependency, and nothing at all where it is not used.
 */
export function traced(db: Database): Database {
  const tracer = Deno.telemetry.tracerProvider.getTracer("slate");
  return {
    ...db,
    async query<Row>(statement: Statement) {
      const attributes = { "db.system.name": "postgresql" };
      const span = tracer.startSpan(nameOf(statement), { kind: client, attributes });
      try {
        const rows = await db.query<Row>(statement);
        span.setAttribute("db.response.returned_rows", rows.length);
        return rows;
      } catch (error) {
        const { name, code } = error as Error & { code?: string };
        span.setAttribute("error.type", error instanceof DatabaseError ? code : name);
        span.setStatus({ code: failed });
        throw error;
      } finally {
        span.end();
      }
    },
  };
}

/** `update todos`, for instance: the table that a statement is about goes by the name `t` in it. */
function nameOf({ texts }: Statement): string {
  const text = texts.join("");
  const change = /\b(insert|update|delete)(?: into| from)? (\w+) (?:as )?t\b/.exec(text);
  const table = change?.[2] ?? /\bfrom (\w+) t\b/.exec(text)?.[1] ?? /\bfrom (\w+)/.exec(text)?.[1];
  return `${change?.[1] ?? "select"} ${table}`;
}

import { type Database, DatabaseError, type Hold, type PoolStats, type Statement } from "./mod.ts";
import { nameStatements } from "./sql.ts";

/** As OpenTelemetry numbers them. */
const client = 2;
const failed = 2;

/** Seconds, as OpenTelemetry's conventions have them for databases. */
const buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** How often the pool is looked at, in milliseconds. */
const sampleEvery = 1000;

/**
 * The same database, with a span for each statement inside the span of its request, its time among
 * the metrics, and the state of the pool beside it. Which function writes it, how many rows came
 * back, the SQLSTATE of a failure; never a value. By Deno's own OpenTelemetry, so that it costs no
 * dependency, and nothing at all where it is not used. `pool` says in the metrics which one it is.
 */
export function observed(db: Database, pool: string): Database {
  nameStatements();
  const tracer = Deno.telemetry.tracerProvider.getTracer("slate");
  const meter = Deno.telemetry.meterProvider.getMeter("slate");
  const duration = meter.createHistogram("db.client.operation.duration", {
    description: "Time of a statement, the wait for a connection included.",
    unit: "s",
    advice: { explicitBucketBoundaries: buckets },
  });
  const sampler = samplePool(meter, pool, () => db.stats());
  const measured =
    (run: Database["query"]) => async <Row>(statement: Statement, hold?: Hold): Promise<Row[]> => {
      const name = statement.writer ?? "unnamed";
      const attributes: Record<string, string> = { "db.system.name": "postgresql" };
      const span = tracer.startSpan(name, { kind: client, attributes });
      attributes["db.query.summary"] = name;
      const start = performance.now();
      try {
        const rows = await run<Row>(statement, hold);
        span.setAttribute("db.response.returned_rows", rows.length);
        return rows;
      } catch (error) {
        const { name, code } = error as Error & { code?: string };
        const type = error instanceof DatabaseError ? code! : name;
        span.setAttribute("error.type", type);
        span.setStatus({ code: failed });
        attributes["error.type"] = type;
        throw error;
      } finally {
        duration.record((performance.now() - start) / 1000, attributes);
        span.end();
      }
    };
  return {
    ...db,
    query: measured(db.query),
    read: measured(db.read),
    close() {
      clearInterval(sampler);
      return db.close();
    },
  };
}

/**
 * On a clock of our own: where a process ends while Deno 2.9 reads a gauge that is read by calling
 * back, it hangs for ever.
 */
function samplePool(
  meter: ReturnType<typeof Deno.telemetry.meterProvider.getMeter>,
  pool: string,
  stats: () => PoolStats,
) {
  const gauge = (name: string, description: string, unit: string) =>
    meter.createGauge(`slate.pool.${name}`, { description, unit });
  const gauges = {
    size: gauge("size", "Connections at most.", "{connection}"),
    open: gauge("open", "Connections that are open.", "{connection}"),
    busy: gauge("busy", "Connections at work.", "{connection}"),
    waiting: gauge("waiting", "Statements that wait for a connection.", "{statement}"),
    underWay: gauge("under_way", "Statements sent and not answered.", "{statement}"),
  };
  const sample = () => {
    for (const [name, value] of Object.entries(stats()) as [keyof PoolStats, number][]) {
      gauges[name].record(value, { "db.client.connection.pool.name": pool });
    }
  };
  const timer = setInterval(sample, sampleEvery);
  Deno.unrefTimer(timer);
  return timer;
}

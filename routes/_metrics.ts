/*
 * The metrics of requests, by Deno's own OpenTelemetry. docs/operations/ has a dashboard and alarms;
 * postgres/telemetry.ts measures the statements and the pool.
 */

/** The result of one request. */
export interface Outcome {
  method: string;
  /** The pattern, never the path itself; none where no route matched. */
  route?: string;
  status: number;
  ms: number;
  /** The code of the problem that was answered. */
  problem?: string;
}

/** Seconds, as OpenTelemetry's conventions have them for HTTP. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

const methods = new Set(["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"]);

/**
 * Records each request's time by method, route, status and problem; those that a limit refused have
 * the problem `rate_limited`. Deno's own http.server.request.duration does not know the route.
 */
export function requestMetrics(): (outcome: Outcome) => void {
  const duration = Deno.telemetry.meterProvider.getMeter("slate")
    .createHistogram("slate.request.duration", {
      description: "Time from a request's arrival to its answer's head.",
      unit: "s",
      advice: { explicitBucketBoundaries: buckets },
    });
  return ({ method, route, status, ms, problem }) => {
    const attributes: Record<string, string | number> = {
      // A made-up method must not make a series of its own.
      "http.request.method": methods.has(method) ? method : "_OTHER",
      "http.response.status_code": status,
    };
    if (route) attributes["http.route"] = route;
    if (problem) attributes["error.type"] = problem;
    duration.record(ms / 1000, attributes);
  };
}

/** Records how many migrations are pending, at each readiness check. */
export function pendingMigrations(): (count: number) => void {
  const gauge = Deno.telemetry.meterProvider.getMeter("slate")
    .createGauge("slate.migrations.pending", {
      description: "Migrations that this build expects and the database has not.",
      unit: "{migration}",
    });
  return (count) => gauge.record(count);
}

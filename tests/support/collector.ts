/** A collector of OpenTelemetry: what it is sent in OTLP's JSON, over HTTP on the loopback. */
import { until } from "./pool.ts";

// deno-lint-ignore no-explicit-any -- OTLP's JSON, whose parts are compared
type Json = any;

export interface Point {
  attributes: Record<string, string | number>;
  /** Of a gauge. */
  value: number;
  /** Of a histogram: how many, and their sum. */
  count: number;
  sum: number;
}

export interface Collector extends AsyncDisposable {
  /** What a process has to have in its environment to tell this one. */
  env: Record<string, string>;
  spans: Json[];
  /** The metrics that were told. */
  names(): string[];
  /** The newest points of a metric whose attributes are these, among others. */
  points(metric: string, attributes?: Point["attributes"]): Point[];
  /** Waits until they are as they should be; gives up after three minutes. */
  until(
    metric: string,
    attributes: Point["attributes"],
    holds: (points: Point[]) => boolean,
  ): Promise<void>;
}

/** Starts it. A process tells it its metrics every fifth of a second. */
export function startCollector(): Collector {
  const spans: Json[] = [];
  const metrics = new Map<string, Point[]>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { resourceSpans = [], resourceMetrics = [] } = await request.json();
      for (const { scopeSpans } of resourceSpans) {
        for (const scope of scopeSpans) spans.push(...scope.spans);
      }
      for (const { scopeMetrics } of resourceMetrics) {
        for (const { metrics: told } of scopeMetrics) {
          for (const metric of told) {
            metrics.set(
              metric.name,
              (metric.gauge ?? metric.histogram ?? metric.sum).dataPoints.map(pointOf),
            );
          }
        }
      }
      return Response.json({});
    },
  );
  const points = (metric: string, wanted: Point["attributes"] = {}) =>
    (metrics.get(metric) ?? []).filter(({ attributes }) =>
      Object.entries(wanted).every(([name, value]) => attributes[name] === value)
    );
  return {
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${server.addr.port}`,
      OTEL_METRIC_EXPORT_INTERVAL: "200",
    },
    spans,
    names: () => [...metrics.keys()],
    points,
    async until(metric, attributes, holds) {
      await until(() => holds(points(metric, attributes))).catch(() => {
        const told = JSON.stringify(metrics.get(metric) ?? [...metrics.keys()]);
        throw new Error(`${metric} ${JSON.stringify(attributes)} never held: ${told}`);
      });
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function pointOf(point: Json): Point {
  const attributes = point.attributes.map(({ key, value }: Json) => [
    key,
    value.stringValue ?? Number(value.intValue ?? value.doubleValue),
  ]);
  return {
    attributes: Object.fromEntries(attributes),
    value: Number(point.asDouble ?? point.asInt),
    count: Number(point.count),
    sum: point.sum,
  };
}

/** What a collector is told, and that each alarm of docs/operations/alarms.yaml has what it watches. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { parse } from "yaml";
import { succeeds } from "../../embedded/account.ts";
import { databaseUrl } from "../../postgres/settings.ts";
import { startCollector } from "../support/collector.ts";
import {
  administer,
  asPatientApplication,
  connectPatiently,
  createDatabase,
} from "../support/database.ts";
import { until } from "../support/pool.ts";
import { freePort, patience, startProcess } from "../support/process.ts";
import { root } from "../support/root.ts";
import { createWriters } from "../support/writers.ts";

const folder = join(root, "docs", "operations");
/** A file of rules, as Prometheus reads it. */
interface Rules {
  groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[];
}

const { groups: [alarmGroup] } = parse(
  await Deno.readTextFile(join(folder, "alarms.yaml")),
) as Rules;
const dashboard = await Deno.readTextFile(join(folder, "dashboard.json"));
const requests = "slate.request.duration";
const problem = (code: string) => ({ "error.type": code });
const statement = (name: string) => ({ "db.query.summary": name });

/** As Prometheus spells what OTLP tells. */
function spelled(metric: string, attributes: Record<string, string | number>) {
  const name = metric.replaceAll(".", "_") + (metric.endsWith(".duration") ? "_seconds" : "");
  const labels = Object.entries(attributes).map(([key, value]) =>
    `${key.replaceAll(".", "_")}="${value}"`
  );
  return { name, labels };
}

/** The app with a collector, on a database of its own; one connection. */
async function observedApp(deadlineMs = 300_000) {
  const stack = new AsyncDisposableStack();
  const collector = stack.use(startCollector());
  const database = stack.use(await createDatabase());
  const port = freePort();
  const app = stack.use(startProcess(
    ["run", "--allow-net", "--allow-env", "--allow-read", "main.ts"],
    {
      ...collector.env,
      ...patience,
      DATABASE_URL: databaseUrl(await asPatientApplication(database)),
      PORT: String(port),
      POOL_SIZE: "1",
      REQUEST_DEADLINE_MS: String(deadlineMs),
      RATE_LIMIT: "40",
      // Nobody listens there.
      AUTH_ISSUER: "http://127.0.0.1:1",
      AUTH_AUDIENCE: "https://slate.example.com",
    },
  ));
  await app.says(/"listening"/);
  const writers = await createWriters(database.db, 7);
  const call = async (
    method: string,
    path: string,
    token = writers[0]!.token,
    body?: unknown,
  ) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    await response.body?.cancel();
    return response.status;
  };
  return {
    collector,
    database,
    app,
    call,
    writers,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

Deno.test("with OTEL_DENO=true a collector gets the times of requests by route and status, and of statements by name [41]", async () => {
  await using place = await observedApp();
  const { collector, call } = place;
  assertEquals(await call("POST", "/api/todos", undefined, { description: "s3cret" }), 201);
  for (let n = 0; n < 3; n++) assertEquals(await call("GET", "/api/todos/1"), 200);
  assertEquals(await call("GET", "/api/todos/77"), 404);
  const route = { "http.route": "/api/todos/:id", "http.request.method": "GET" };
  const told = { ...route, "http.response.status_code": 200 };
  await collector.until(requests, told, ([point]) => point?.count === 3 && point.sum > 0);
  await collector.until(requests, { ...route, ...problem("not_found") }, ([p]) => p?.count === 1);
  const duration = "db.client.operation.duration";
  await collector.until(duration, statement("createTodo"), ([p]) => p?.count === 1 && p.sum > 0);
  await collector.until(duration, statement("getTodo"), ([point]) => point?.count === 4);
  for (const [name, value] of [["size", 1], ["open", 1], ["busy", 0], ["waiting", 0]] as const) {
    await collector.until(`slate.pool.${name}`, {}, ([point]) => point?.value === value);
  }
  assertEquals(await call("GET", "/api/health/ready"), 200);
  await collector.until("slate.migrations.pending", {}, ([point]) => point?.value === 0);
  assertEquals(JSON.stringify([...collector.spans]).includes("s3cret"), false);

  // The dashboard shows no metric that nobody tells.
  const names = Array.from(
    dashboard.matchAll(/\b((?:slate|db_client_operation)_\w+?)(?:_bucket|_count)?[[{)]/g),
    ([, name]) => name!,
  );
  const known = collector.names().map((name) => spelled(name, {}).name);
  assert(names.length > 8);
  assertEquals(names.filter((name) => !known.includes(name)), []);
});

Deno.test("each alarm fires for the failure that it watches", async () => {
  const alarms = new Map(alarmGroup!.rules.map(({ alert, expr }) => [alert, expr]));
  await using place = await observedApp(2000);
  const { collector, call, database, writers } = place;
  const { db } = database;

  /** Asks until that is answered; the deadline that is to pass may be too short for a slow machine. */
  const answers = (status: number, ...request: Parameters<typeof call>) =>
    until(async () => {
      const answered = await call(...request);
      assert([status, 504].includes(answered), `${request[1]}: ${answered}`);
      return answered === status;
    });

  /** That the alarm's expression reads this metric, and that the metric is as the alarm wants it. */
  async function fires(
    alarm: string,
    metric: string,
    attributes: Record<string, string | number> = {},
    holds: (sum: number, point: { sum: number; count: number }) => boolean = (value) => value > 0,
  ) {
    const expr = alarms.get(alarm)!;
    const { name, labels } = spelled(metric, attributes);
    for (const part of [name, ...labels]) assert(expr.includes(part), `${alarm} reads no ${part}`);
    await collector.until(
      metric,
      attributes,
      (points) => points.some((point) => holds(point.value || point.count || 0, point)),
    );
    alarms.delete(alarm);
  }

  // Somebody locks the table: the only connection is busy, others wait, and none gets its answer.
  const other = connectPatiently(database.settings, { session: true });
  await other.script("begin; lock table todos in access exclusive mode");
  const met = new Set<number>();
  let locked = true;
  const waiting = writers.slice(1, 6).map(async ({ token }) => {
    while (locked) met.add(await call("GET", "/api/todos", token));
  });
  await fires("SlatePoolFull", "slate.pool.waiting");
  await collector.until("slate.pool.busy", {}, ([point]) => point?.value === 1);
  await fires("SlateDeadlines", requests, problem("deadline_exceeded"), (count) => count >= 5);
  const slow = { "http.route": "/api/todos" };
  alarms.set(
    "SlateSlow",
    alarms.get("SlateSlow")!.replace("http_route", 'http_route="/api/todos"'),
  );
  await fires("SlateSlow", requests, slow, (_, { sum, count }) => sum / count > 1);
  await until(() => met.size > 0);
  assertEquals(met, new Set([504]));
  locked = false;
  await other.close();
  await Promise.all(waiting);

  // A constraint that the code does not know.
  await db.script("alter table todos add constraint odd check (description <> 'odd')");
  await answers(500, "POST", "/api/todos", undefined, { description: "odd" });
  await fires("SlateBug", requests, problem("internal_error"));

  await db.script(
    "delete from schema_migrations where version = (select max(version) from schema_migrations)",
  );
  await answers(503, "GET", "/api/health/ready");
  await fires("SlateMigrationsPending", "slate.migrations.pending");

  const bob = writers[6]!;
  await until(async () => {
    const many = Array.from({ length: 50 }, () => call("GET", "/api/me", bob.token));
    return (await Promise.all(many)).includes(429);
  });
  await fires("SlateRefusing", requests, problem("rate_limited"));

  await answers(401, "GET", "/api/me", bob.token.slice(0, -1) + "x");
  await fires("SlateGuessing", requests, { "http.response.status_code": 401 });

  await answers(503, "GET", "/api/me", "a.b.c");
  await fires("SlateIssuerAway", requests, problem("issuer_unavailable"));
  assertEquals(collector.points(requests, problem("unavailable")), [], "the database is not away");

  // The server lets nobody in.
  const { database: name } = database.settings;
  await administer(
    { ...database.settings, database: "postgres" },
    `alter database ${name} allow_connections false;
     select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
  );
  await answers(503, "GET", "/api/me");
  await fires("SlateDatabaseAway", requests, problem("unavailable"));

  // Nothing is told any more by a process that is gone.
  place.app.interrupt("SIGKILL");
  await place.app.ended;
  assert(alarms.get("SlateSilent")!.includes("absent(slate_pool_size)"));
  alarms.delete("SlateSilent");
  assertEquals([...alarms.keys()], []);
});

/** Prometheus' own tool, which few machines have. */
const hasPromtool = await succeeds("promtool", ["--version"]);

async function promtool(...args: string[]) {
  const { success, stdout, stderr } = await new Deno.Command("promtool", { args, cwd: folder })
    .output();
  assert(success, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
}

Deno.test("what is told once a minute is looked at through windows of several minutes", () => {
  for (const { alert, expr, annotations } of alarmGroup!.rules) {
    for (const [, minutes] of expr.matchAll(/\[(\d+)m\]/g)) assert(Number(minutes) >= 4, alert);
    assert(annotations.summary.length > 20, alert);
  }
  // Grafana makes four of its steps of it.
  const { panels } = JSON.parse(dashboard);
  for (const { title, targets } of panels) {
    for (const { interval } of targets) assertEquals(interval, "1m", title);
  }
});

Deno.test({
  name: "Prometheus reads each expression, and by its own clock each alarm fires and is quiet",
  ignore: !hasPromtool,
  async fn() {
    await promtool("test", "rules", "alarms_test.yaml");
    const { panels } = JSON.parse(dashboard) as { panels: { targets: { expr: string }[] }[] };
    const rules = panels.flatMap(({ targets }) => targets).map(({ expr }, n) => ({
      record: `panel_${n}`,
      expr: expr.replaceAll("$__rate_interval", "4m"),
    }));
    const file = await Deno.makeTempFile({ suffix: ".yaml" });
    try {
      await Deno.writeTextFile(file, JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
      await promtool("check", "rules", file);
    } finally {
      await Deno.remove(file);
    }
  },
});

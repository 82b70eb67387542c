import { cors } from "hono/cors";
import { methodNotAllowed } from "hono/method-not-allowed";
import { cancelOnDisconnect } from "./_disconnect.ts";
import { type LimitOptions, Limits } from "./_limits.ts";
import { requestLog } from "./_log.ts";
import { requestMetrics } from "./_metrics.ts";
import { negotiate } from "./_negotiate.ts";
import { type Deps, router } from "./_operation.ts";
import { errorResponse, Problem, problemResponse, refuseMethod } from "./_problem.ts";
import { demoRoutes } from "./demo.ts";
import { changeRoutes } from "./changes.ts";
import { docsPageRoutes, docsRoutes } from "./docs.ts";
import { healthRoutes } from "./health.ts";
import { keyRoutes } from "./keys.ts";
import { type TokenOptions, Tokens } from "./_token.ts";
import { studentBatchRoutes } from "./student_batches.ts";
import { studentRoutes } from "./students.ts";
import { todoBatchRoutes } from "./todo_batches.ts";
import { todoRoutes } from "./todos.ts";
import { userRoutes } from "./users.ts";

export interface AppOptions extends Omit<Deps, "limits" | "tokens">, LimitOptions {
  /** The issuer whose access tokens are taken beside API keys. */
  auth?: TokenOptions;
  /** Whether `/` is a page that shows what the API does. */
  demo?: boolean;
}

/** The whole API. The order of the middleware is the order in which a request passes it. */
export function createApp(options: AppOptions) {
  const deps: Deps = {
    ...options,
    db: cancelOnDisconnect(options.db),
    limits: new Limits(options),
    tokens: options.auth && new Tokens(options.auth),
  };
  const app = router();
  app.onError(errorResponse);
  const otherMethod = methodNotAllowed({ app, onMethodNotAllowed: refuseMethod });
  // Hono means it as a middleware, but only a 404 is of interest to it.
  app.notFound(async (c) => {
    c.res = problemResponse(c, new Problem("not_found", "There is no such address."));
    await otherMethod(c, () => Promise.resolve());
    return c.res;
  });

  app.use(requestLog(deps.log, deps.telemetry ? requestMetrics() : undefined));
  if (deps.corsOrigins.length > 0) {
    const share = cors({
      origin: deps.corsOrigins,
      allowMethods: ["GET", "POST", "PATCH", "DELETE"],
      exposeHeaders: [
        "ETag",
        "Location",
        "Link",
        "X-Request-Id",
        "Idempotent-Replayed",
        "Slate-Written",
        "RateLimit",
        "RateLimit-Policy",
        "Retry-After",
      ],
    });
    // An OPTIONS that asks for no method is no browser's question, and gets the address's own answer.
    app.use((c, next) => {
      const asks = c.req.header("access-control-request-method") !== undefined;
      return c.req.method === "OPTIONS" && !asks ? next() : share(c, next);
    });
  }
  // Before the docs, whose `/` only leads to them.
  if (options.demo) app.route("/", demoRoutes());
  app.route("/", docsPageRoutes());
  app.use("/api/*", negotiate(["application/json"]));

  app.route("/", healthRoutes(deps));
  app.route("/", todoBatchRoutes(deps));
  app.route("/", todoRoutes(deps));
  app.route("/", studentBatchRoutes(deps));
  app.route("/", studentRoutes(deps));
  app.route("/", changeRoutes(deps));
  app.route("/", userRoutes(deps));
  app.route("/", keyRoutes(deps));
  app.route("/", docsRoutes(app));
  return app;
}

import { assertEquals } from "@std/assert";
import { NoQuery, router } from "../../routes/_operation.ts";
import type { Step } from "../../routes/_step.ts";

Deno.test("an operation's middleware, its steps, its validation and its handler run in this order", async () => {
  const ran: string[] = [];
  const step = (name: string): Step => (c, next) => {
    ran.push(name);
    return next(c);
  };
  const route = {
    method: "get" as const,
    path: "/thing",
    request: { query: NoQuery },
    responses: { 200: { description: "It." } },
    middleware: async (_c: unknown, next: () => Promise<void>) => {
      ran.push("middleware");
      await next();
    },
    steps: [step("first"), step("second")],
  };
  const app = router();
  app.onError((_error, c) => c.text("refused", 400));
  app.openapi(route, (c) => {
    ran.push("handler");
    return c.text("it");
  });
  assertEquals(await (await app.request("/thing")).text(), "it");
  assertEquals(await (await app.request("/thing?unknown=1")).text(), "refused");
  const before = ["middleware", "first", "second"];
  assertEquals(ran, [...before, "handler", ...before]);
});

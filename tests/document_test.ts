import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { root } from "../db/tools/dbmate.ts";
import { problems } from "../routes/_problem.ts";
import { openapiDocument } from "../routes/docs.ts";
import { createApi, type Json } from "./api.ts";

Deno.test("the committed openapi.json is the generated one: run `deno task openapi` [27]", async () => {
  await using api = await createApi();
  const committed = JSON.parse(await Deno.readTextFile(join(root, "openapi.json")));
  assertEquals(committed, JSON.parse(JSON.stringify(openapiDocument(api.app))));
});

Deno.test("GET /api/openapi.json is the document, and no key is needed [27]", async () => {
  await using api = await createApi();
  const served = await api.call("GET /api/openapi.json", { key: null });
  assertEquals(served.json, JSON.parse(JSON.stringify(openapiDocument(api.app))));
  assertEquals(served.json.openapi, "3.1.0");
});

Deno.test("no undocumented route exists, and each operation has a name of its own [27]", async () => {
  await using api = await createApi();
  const document: Json = openapiDocument(api.app);
  const documented = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
  );
  const served = api.app.routes
    .filter((route) => route.method !== "ALL")
    .map((route) => `${route.method} ${route.path.replaceAll(/:(\w+)/g, "{$1}")}`);
  assertEquals([...new Set(served)].sort(), documented.sort());
  const names = Object.values<Json>(document.paths).flatMap((methods) =>
    Object.values<Json>(methods).map((operation) => operation.operationId)
  );
  assertEquals(new Set(names).size, names.length);
});

Deno.test("every problem code of the table is documented where it can happen [2]", async () => {
  await using api = await createApi();
  const text = JSON.stringify(openapiDocument(api.app));
  for (const code of Object.keys(problems)) {
    if (code === "method_not_allowed") continue; // no operation answers it: it is for the others
    assert(text.includes(`\`${code}\`: `), code);
  }
});

import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { root } from "../support/root.ts";
import { problems } from "../../routes/_problem.ts";
import { openapiDocument } from "../../routes/docs.ts";
import { contract, createApi, type Json } from "../support/api.ts";

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

Deno.test("no test passes with an answer that the document does not declare [28]", async () => {
  await using api = await createApi();
  const check = contract(openapiDocument(api.app));
  const { json: user } = await api.call("GET /api/me");
  const { id: _, ...withoutId } = user;
  const headers = new Headers({ "content-type": "application/json" });
  const answer = { status: 200, headers, text: "{}", json: user };
  check("GET", "/api/users/1", answer);
  const undeclared: Record<string, typeof answer> = {
    "a field more": { ...answer, json: { ...user, owner_id: 1 } },
    "a field less": { ...answer, json: withoutId },
    "another type of a field": { ...answer, json: { ...user, id: "1" } },
    "another status": { ...answer, status: 202 },
    "another media type": { ...answer, headers: new Headers({ "content-type": "text/html" }) },
  };
  for (const answer of Object.values(undeclared)) {
    assertThrows(() => check("GET", "/api/users/1", answer), Error, "GET /api/users/1 answered");
  }
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

Deno.test("no two names of the document differ only in case: a generated client could not hold both [27]", async () => {
  await using api = await createApi();
  const { components, paths }: Json = openapiDocument(api.app);
  const operations = Object.values<Json>(paths).flatMap((item) => Object.values<Json>(item));
  const groups: string[][] = [
    Object.values<Json>(components).flatMap((kind) => Object.keys(kind)),
    operations.map(({ operationId }) => operationId),
    ...operations.map(({ parameters = [] }) => parameters.map(({ name }: Json) => name)),
    ...Object.values<Json>(components.schemas).map(({ properties = {} }) =>
      Object.keys(properties)
    ),
  ];
  for (const names of groups) {
    const folded = new Set(names.map((name) => name.toLowerCase()));
    assertEquals(folded.size, names.length, names.join());
  }
});

Deno.test("the document has the patterns of If-Match and If-None-Match [27]", async () => {
  await using api = await createApi();
  const { paths }: Json = openapiDocument(api.app);
  const patternOf = (method: string, header: string) => {
    const { parameters } = paths["/api/users/{id}"][method];
    return new RegExp(parameters.find(({ name }: Json) => name === header).schema.pattern, "u");
  };
  for (const pattern of [patternOf("patch", "if-match"), patternOf("get", "if-none-match")]) {
    for (const good of ["*", '"1"', 'W/"1"', '"a,b", "1"', '"x",,"1"', ', "1" ,', '""']) {
      assert(pattern.test(good), good);
    }
    for (const bad of ["1", '"1" "2"', "*, *", '"a b"', "", 'w/"1"', '"1']) {
      assert(!pattern.test(bad), bad);
    }
  }
  assert(patternOf("delete", "if-none-match").test("*"));
  assert(!patternOf("delete", "if-none-match").test('"1"'));
});

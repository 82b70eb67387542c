import { assertEquals } from "@std/assert";
import { root } from "../support/root.ts";
import document from "../../openapi.json" with { type: "json" };
import type { Json } from "../support/api.ts";
import { breakingChanges } from "../support/breaking.ts";

/** The document after a change, which is what `change` does to a copy. */
function changed(change: (document: Json) => void): Json {
  const copy = structuredClone(document) as Json;
  change(copy);
  return copy;
}

const { schemas } = (document as Json).components;

const breaking: Record<string, [(document: Json) => void, string[]]> = {
  "a field that is gone from an answer": [
    ({ components }) => {
      delete components.schemas.User.properties.years_old;
      components.schemas.User.required = components.schemas.User.required
        .filter((name: string) => name !== "years_old");
    },
    [
      "GET /api/users: 200/data/items/years_old: is not always there any more",
      "POST /api/users: 201/years_old: is not always there any more",
      "GET /api/users/{id}: 200/years_old: is not always there any more",
      "PATCH /api/users/{id}: 200/years_old: is not always there any more",
      "GET /api/me: 200/years_old: is not always there any more",
    ],
  ],
  "a field that may now be null": [
    ({ components }) => components.schemas.User.properties.name.type = ["string", "null"],
    [
      "GET /api/users: 200/data/items/name: may now be null",
      "POST /api/users: 201/name: may now be null",
      "GET /api/users/{id}: 200/name: may now be null",
      "PATCH /api/users/{id}: 200/name: may now be null",
      "GET /api/me: 200/name: may now be null",
    ],
  ],
  "a field that is taken no more": [
    ({ components }) => delete components.schemas.NewUser.properties.years_old,
    ["POST /api/users: body/years_old: is no field any more"],
  ],
  "a field that is now required": [
    ({ components }) => components.schemas.NewUser.required.push("years_old"),
    ["POST /api/users: body/years_old: is now required"],
  ],
  "a shorter text": [
    ({ components }) => components.schemas.NewUser.properties.name.maxLength = 50,
    ["POST /api/users: body/name: maxLength is another"],
  ],
  "a choice that is gone": [
    ({ components }) => components.schemas.NewKey.properties.scope.enum.pop(),
    ["POST /api/keys: body/scope: does not take admin any more"],
  ],
  "an operation that is gone": [
    ({ paths }) => delete paths["/api/users/{id}"].delete,
    ["DELETE /api/users/{id}: is gone"],
  ],
  "a path that is gone": [({ paths }) => delete paths["/api/me"], ["GET /api/me: is gone"]],
  "an operation with another name": [
    ({ paths }) => paths["/api/me"].get.operationId = "whoAmI",
    ["GET /api/me: is not called getMe any more"],
  ],
  "a parameter that is gone": [
    ({ paths }) => paths["/api/users"].get.parameters.shift(),
    ["GET /api/users: limit: is no parameter any more"],
  ],
  "a parameter that is now required": [
    ({ paths }) => paths["/api/users"].get.parameters[0].required = true,
    ["GET /api/users: limit: is now required"],
  ],
  "a smaller page": [
    ({ paths }) => paths["/api/users"].get.parameters[0].schema.maximum = 50,
    ["GET /api/users: limit: maximum is another"],
  ],
  "a wider scope that is needed": [
    ({ paths }) => paths["/api/me"].get.security = [{ apiKey: ["admin"] }],
    ['GET /api/me: needs another key: [{"apiKey":["admin"]}]'],
  ],
  "a type of body that is taken no more": [
    ({ paths }) => delete paths["/api/users/{id}"].patch.requestBody.content["application/json"],
    ["PATCH /api/users/{id}: takes no application/json any more"],
  ],
  "another status": [
    ({ paths }) => delete paths["/api/users"].post.responses[201],
    ["POST /api/users: 201: is not answered any more"],
  ],
  "a header that is gone": [
    ({ paths }) => delete paths["/api/me"].get.responses[200].headers.ETag,
    ["GET /api/me: 200: has no header ETag any more"],
  ],
};

for (const [what, [change, expected]] of Object.entries(breaking)) {
  Deno.test(`${what} breaks callers [29]`, () => {
    assertEquals(breakingChanges(document, changed(change)), expected);
  });
}

Deno.test("what is added, loosened or reworded breaks nobody [29]", () => {
  const after = changed(({ paths, components }) => {
    paths["/api/new"] = paths["/api/me"];
    paths["/api/users"].get.parameters.push({ in: "query", name: "new", schema: {} });
    paths["/api/me"].get.summary = "Other words";
    components.schemas.NewUser.properties.new = { type: "string" };
    components.schemas.NewUser.properties.name.maxLength = 20_000;
    components.schemas.User.properties.new = { type: "string" };
    components.schemas.User.required.push("new");
    components.schemas.Problem.properties.code.enum.push("new_code");
    components.schemas.NewUser.required.pop();
  });
  assertEquals(breakingChanges(document, after), []);
  assertEquals(schemas.Problem.properties.code.enum.includes("new_code"), false);
});

/** The last release's document, or undefined before the first one. */
async function released(): Promise<{ tag: string; document: Json } | undefined> {
  const git = async (...args: string[]) => {
    const { success, stdout } = await new Deno.Command("git", { args, cwd: root, stderr: "null" })
      .output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  };
  const tag = await git("describe", "--tags", "--abbrev=0", "--match=v*");
  const text = tag && await git("show", `${tag}:openapi.json`);
  return text ? { tag, document: JSON.parse(text) } : undefined;
}

Deno.test("the document breaks no caller of the last release, unless its major version is another [29]", async () => {
  const last = await released();
  if (!last) return;
  const major = (version: string) => version.split(".")[0];
  if (major(last.document.info.version) !== major(document.info.version)) return;
  assertEquals(breakingChanges(last.document, document), [], `since ${last.tag}`);
});

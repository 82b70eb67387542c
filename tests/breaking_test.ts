import { assertEquals } from "@std/assert";
import { root } from "../db/tools/dbmate.ts";
import document from "../openapi.json" with { type: "json" };
import type { Json } from "./api.ts";
import { breakingChanges } from "./breaking.ts";

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
      delete components.schemas.Student.properties.age;
      components.schemas.Student.required = components.schemas.Student.required
        .filter((name: string) => name !== "age");
    },
    [
      "GET /api/students: 200/data/items/age: is not always there any more",
      "POST /api/students: 201/age: is not always there any more",
      "GET /api/students/{id}: 200/age: is not always there any more",
      "PATCH /api/students/{id}: 200/age: is not always there any more",
    ],
  ],
  "a field that may now be null": [
    ({ components }) => components.schemas.Todo.properties.completed.type = ["boolean", "null"],
    [
      "GET /api/todos: 200/data/items/completed: may now be null",
      "POST /api/todos: 201/completed: may now be null",
      "GET /api/todos/{id}: 200/completed: may now be null",
      "PATCH /api/todos/{id}: 200/completed: may now be null",
      "GET /api/students/{id}/todos: 200/data/items/completed: may now be null",
    ],
  ],
  "a field that is taken no more": [
    ({ components }) => delete components.schemas.NewTodo.properties.due_date,
    ["POST /api/todos: body/due_date: is no field any more"],
  ],
  "a field that is now required": [
    ({ components }) => components.schemas.NewTodo.required.push("due_date"),
    ["POST /api/todos: body/due_date: is now required"],
  ],
  "a shorter text": [
    ({ components }) => components.schemas.NewTodo.properties.description.maxLength = 100,
    ["POST /api/todos: body/description: maxLength is another"],
  ],
  "a choice that is gone": [
    ({ components }) => components.schemas.NewKey.properties.scope.enum.pop(),
    ["POST /api/keys: body/scope: does not take admin any more"],
  ],
  "an operation that is gone": [
    ({ paths }) => delete paths["/api/todos/{id}"].delete,
    ["DELETE /api/todos/{id}: is gone"],
  ],
  "a path that is gone": [({ paths }) => delete paths["/api/me"], ["GET /api/me: is gone"]],
  "an operation with another name": [
    ({ paths }) => paths["/api/me"].get.operationId = "whoAmI",
    ["GET /api/me: is not called getMe any more"],
  ],
  "a parameter that is gone": [
    ({ paths }) => paths["/api/students"].get.parameters.shift(),
    ["GET /api/students: limit: is no parameter any more"],
  ],
  "a parameter that is now required": [
    ({ paths }) => paths["/api/students"].get.parameters[0].required = true,
    ["GET /api/students: limit: is now required"],
  ],
  "a smaller page": [
    ({ paths }) => paths["/api/students"].get.parameters[0].schema.maximum = 50,
    ["GET /api/students: limit: maximum is another"],
  ],
  "a wider scope that is needed": [
    ({ paths }) => paths["/api/me"].get.security = [{ key: ["admin"] }],
    ['GET /api/me: needs another key: [{"key":["admin"]}]'],
  ],
  "a type of body that is taken no more": [
    ({ paths }) => delete paths["/api/todos/{id}"].patch.requestBody.content["application/json"],
    ["PATCH /api/todos/{id}: takes no application/json any more"],
  ],
  "another status": [
    ({ paths }) => delete paths["/api/todos"].post.responses[201],
    ["POST /api/todos: 201: is not answered any more"],
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
    paths["/api/todos"].get.parameters.push({ in: "query", name: "new", schema: {} });
    paths["/api/me"].get.summary = "Other words";
    components.schemas.NewTodo.properties.new = { type: "string" };
    components.schemas.NewTodo.properties.description.maxLength = 20_000;
    components.schemas.Todo.properties.new = { type: "string" };
    components.schemas.Todo.required.push("new");
    components.schemas.Problem.properties.code.enum.push("new_code");
    components.schemas.NewStudent.required.pop();
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

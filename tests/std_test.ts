import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { root } from "./support/root.ts";

async function config(name: string) {
  return JSON.parse(await Deno.readTextFile(join(root, name)));
}

Deno.test("deno.jsr.json maps the names of @std to the real packages, and nothing else differs", async () => {
  const [npm, jsr] = await Promise.all([config("deno.json"), config("deno.jsr.json")]);
  const names = ["@std/assert", "@std/testing/mock", "@std/testing/time"];
  for (const name of names) {
    assertEquals(npm.imports[name].startsWith("./tests/std/"), true);
    const [, scope, part] = /^(@std\/[a-z]+)(\/[a-z]+)?$/.exec(name)!;
    assertEquals(jsr.imports[name].replace(/@1(?=\/|$)/, ""), `jsr:${scope}${part ?? ""}`);
    delete npm.imports[name];
    delete jsr.imports[name];
  }
  for (const key of ["imports", "allowScripts", "compilerOptions", "test"]) {
    assertEquals(jsr[key], npm[key], key);
  }
});

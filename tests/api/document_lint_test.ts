import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { root } from "../support/root.ts";
import document from "../../openapi.json" with { type: "json" };

async function lint(path: string): Promise<{ code: number; output: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "openapi:lint", path],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + (code > 1 ? decoder.decode(stderr) : "") };
}

Deno.test("Redocly, strict, and Spectral find no error in the document [27]", async () => {
  assertEquals(await lint("openapi.json"), { code: 0, output: "" });
});

Deno.test("the linters find what is wrong in a document [27]", async () => {
  const wrong: Record<string, unknown> = structuredClone(document);
  wrong.paths = { "/x": { get: { responses: { 200: { $ref: "#/components/nowhere" } } } } };
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "wrong.json");
    await Deno.writeTextFile(path, JSON.stringify(wrong));
    const { code, output } = await lint(path);
    assertEquals(code, 1);
    assertStringIncludes(output, "redocly no-unresolved-refs");
    assertStringIncludes(output, "spectral invalid-ref");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

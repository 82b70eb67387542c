import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { root } from "../support/root.ts";

/** Every document of the project, by its path. */
async function documents(folder = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
    const path = join(folder, name);
    if (isDirectory && (!name.startsWith(".") || name === ".github") && name !== "node_modules") {
      found.push(...await documents(path));
    } else if (name.endsWith(".md")) found.push(path);
  }
  return found;
}

Deno.test("documents: each file and folder that one links to is there", async () => {
  const broken: string[] = [];
  let seen = 0;
  for (const path of await documents()) {
    const text = (await Deno.readTextFile(join(root, path))).replaceAll(/```[^]*?\n```/g, "");
    for (const [, link] of text.matchAll(/\]\(([^)#\s]+)/g)) {
      if (/^https?:/.test(link!)) continue;
      seen++;
      const there = await Deno.stat(join(root, dirname(path), link!)).then(() => true, () => false);
      if (!there) broken.push(`${path}: ${link}`);
    }
  }
  assertEquals(broken, []);
  assert(seen > 60, `only ${seen} links were found`);
});

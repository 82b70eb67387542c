import { assertEquals } from "@std/assert";
import { dirname, join, normalize } from "node:path";
import { root } from "./support/root.ts";

/** Which rooms each room may open, beside itself; docs/architecture.md draws the arrows. */
const allowed: Record<string, string[]> = {
  "main.ts": ["settings.ts", "server.ts", "routes", "db", "postgres", "embedded"],
  "permissions.ts": ["settings.ts"],
  "settings.ts": ["postgres"],
  "server.ts": [],
  "routes": ["db", "postgres"],
  "db": ["postgres"],
  "postgres": [],
  "embedded": ["postgres"],
  "migrate": ["embedded", "postgres", "tasks"],
  "tasks": ["db", "embedded", "postgres", "migrate"],
  "client": [],
};

/** What a query must not know: HTTP, and what validates it. */
const notInDb = /^(hono|zod|@hono)/;

function room(path: string): string {
  return path.includes("/") ? path.split("/")[0]! : path;
}

async function* sources(folder = ""): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(join(root, folder))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory && !/^(\.|node_modules|tests|bench|docs)/.test(entry.name)) {
      yield* sources(path);
    } else if (entry.name.endsWith(".ts")) yield path;
  }
}

async function importsOf(path: string): Promise<string[]> {
  const text = await Deno.readTextFile(join(root, path));
  const found = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g);
  return Array.from(found, (match) => match[1]!);
}

Deno.test("imports run main -> routes -> db -> postgres, and in no other direction", async () => {
  const wrong: string[] = [];
  let seen = 0;
  for await (const path of sources()) {
    for (const name of await importsOf(path)) {
      seen++;
      if (!name.startsWith(".")) {
        if (room(path) === "db" && notInDb.test(name)) wrong.push(`${path} imports ${name}`);
        continue;
      }
      const target = normalize(join(dirname(path), name));
      if (room(path) !== room(target) && !allowed[room(path)]?.includes(room(target))) {
        wrong.push(`${path} imports ${target}`);
      }
    }
  }
  assertEquals(wrong, []);
  assertEquals(seen > 100, true, `only ${seen} imports were found`);
});

Deno.test("SQL never stands in routes/ and HTTP never in db/", async () => {
  const wrong: string[] = [];
  for await (const path of sources()) {
    const text = await Deno.readTextFile(join(root, path));
    if (room(path) === "routes" && /\bsql`|\.unsafe\(/.test(text)) wrong.push(`SQL in ${path}`);
    if (room(path) === "db" && /\b(Response|Request)\b\s*\(/.test(text)) {
      wrong.push(`HTTP in ${path}`);
    }
  }
  assertEquals(wrong, []);
});

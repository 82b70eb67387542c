import { assert, assertEquals } from "@std/assert";
import { dirname, join, normalize } from "node:path";
import { arrows } from "./support/arrows.ts";
import { withoutServer } from "./support/other_server.ts";
import { root } from "./support/root.ts";

/** The rooms inside of migrate/, which is a product of its own. */
const stages = /^migrate\/(files|catalog|apply|proof|schema|draft|check|commands)\//;

/** What a query must not know: HTTP, and what validates it. */
const notInDb = /^(hono|zod|@hono)/;

function room(path: string): string {
  return path.includes("/") ? path.split("/")[0]! : path;
}

async function* sources(folder = ""): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(join(root, folder))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory && !/^(\.|node_modules|tests|bench|docs|dist)/.test(entry.name)) {
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
      if (room(path) !== room(target) && !arrows[room(path)]?.includes(room(target))) {
        wrong.push(`${path} imports ${target}`);
      }
    }
  }
  assertEquals(wrong, []);
  assertEquals(seen > 100, true, `only ${seen} imports were found`);
});

/** The ways from one to another that lead back to the first, each named once. */
function circles(arrows: Map<string, Set<string>>): string[] {
  const found = new Set<string>();
  const done = new Set<string>();
  function visit(place: string, way: string[]) {
    const at = way.indexOf(place);
    if (at !== -1) found.add([...way.slice(at), place].join(" -> "));
    if (at !== -1 || done.has(place)) return;
    for (const next of arrows.get(place) ?? []) visit(next, [...way, place]);
    done.add(place);
  }
  for (const place of arrows.keys()) visit(place, []);
  return [...found];
}

Deno.test("no file and no room imports itself in a circle", async () => {
  const files = new Map<string, Set<string>>();
  const rooms = new Map<string, Set<string>>();
  const inner = (path: string) =>
    stages.exec(path)?.[0] ?? (path.startsWith("migrate/") ? path : room(path));
  for await (const path of sources()) {
    for (const name of (await importsOf(path)).filter((name) => name.startsWith("."))) {
      const target = normalize(join(dirname(path), name));
      files.set(path, (files.get(path) ?? new Set()).add(target));
      if (inner(path) === inner(target)) continue;
      rooms.set(inner(path), (rooms.get(inner(path)) ?? new Set()).add(inner(target)));
    }
  }
  assertEquals(circles(files), []);
  assertEquals(circles(rooms), []);
  assertEquals(circles(new Map([["a", new Set(["b"])], ["b", new Set(["a"])]])), ["a -> b -> a"]);
});

Deno.test("migrate/ says nothing of the app that it serves here", async () => {
  const words = /slate|deno task db|\btasks\/|\bdb\/grants|\bkeys\s+where|from keys\b/i;
  const wrong: string[] = [];
  for await (const path of migrateFiles("migrate")) {
    const lines = (await Deno.readTextFile(join(root, path))).split("\n");
    lines.forEach((line, i) => words.test(line) && wrong.push(`${path}:${i + 1}: ${line.trim()}`));
  }
  assertEquals(wrong, []);
});

/** Everything that the product is made of: its code, its manifests, its README. */
async function* migrateFiles(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(join(root, folder))) {
    const path = join(folder, entry.name);
    if (!entry.isDirectory) yield path;
    else if (!["tests", "dist", "node_modules"].includes(entry.name)) yield* migrateFiles(path);
  }
}

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

Deno.test("deno.lock has no package that only tests and benches import: the first start would fetch it", async () => {
  const { specifiers } = JSON.parse(await Deno.readTextFile(join(root, "deno.lock")));
  const files = [...Deno.readDirSync(join(root, "tests/npm"))].map(({ name }) =>
    `tests/npm/${name}`
  );
  const texts = await Promise.all(
    // A project without the example has no bench.
    [...files, "bench/load.ts"].map((path) => Deno.readTextFile(join(root, path)).catch(() => "")),
  );
  const own = texts.filter(Boolean).map((text) => /"(npm:@?[^@]+@[^"/]+)/.exec(text)![1]!);
  assert(own.length > 5);
  const found = own.filter((name) => name in specifiers);
  const remedy = "`git checkout deno.lock`, and run tests by `deno task`, which names their lock";
  assertEquals(found, [], remedy);
});

/** What a module of the tests uses of their room, itself among it. */
async function usedBy(path: string, known = new Set<string>()): Promise<Set<string>> {
  if (known.has(path)) return known;
  known.add(path);
  const own = (await importsOf(path)).filter((name) => name.startsWith("."))
    .map((name) => normalize(join(dirname(path), name)));
  for (const target of own.filter((target) => room(target) === "tests")) {
    await usedBy(target, known);
  }
  return known;
}

Deno.test("a test that is not run again on another server uses none", async () => {
  const server = "tests/support/database.ts";
  const using = [];
  for (const path of withoutServer) {
    // A project without the example has not all of them.
    if (!await Deno.stat(join(root, path)).catch(() => undefined)) continue;
    if ((await usedBy(path)).has(server)) using.push(path);
  }
  assertEquals(using, []);
  assert((await usedBy("tests/api/users_test.ts")).has(server));
});

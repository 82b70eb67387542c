/** Versions that stand outside of deno.json: the same everywhere, and known to renovate.json. */
import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { root } from "../support/root.ts";

interface Manager {
  managerFilePatterns: string[];
  matchStrings: string[];
  depNameTemplate: string;
}

const renovate = JSON.parse(await Deno.readTextFile(join(root, "renovate.json")));
const managers: Manager[] = renovate.customManagers;

async function paths(folder = "", depth = 2): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
    const path = join(folder, name);
    if (!isDirectory) found.push(path);
    else if (depth > 0 && name !== "node_modules" && name !== ".git" && name !== ".data") {
      found.push(...await paths(path, depth - 1));
    }
  }
  return found;
}

const files = await paths();
/** The versions of each dependency that renovate finds, with their places. */
const found = new Map<string, Map<string, string[]>>();
const idle: string[] = [];

for (const { managerFilePatterns, matchStrings, depNameTemplate } of managers) {
  const patterns = managerFilePatterns.map((text) => new RegExp(text.slice(1, -1)));
  const own = files.filter((path) => patterns.some((pattern) => pattern.test(path)));
  const versions = found.getOrInsertComputed(depNameTemplate, () => new Map());
  for (const pattern of matchStrings) {
    let matches = 0;
    for (const path of own) {
      const text = await Deno.readTextFile(join(root, path));
      for (const { groups } of text.matchAll(new RegExp(pattern, "g"))) {
        matches++;
        versions.getOrInsertComputed(groups!.currentValue!, () => []).push(path);
      }
    }
    if (matches === 0) idle.push(`${depNameTemplate}: ${pattern} in ${managerFilePatterns}`);
  }
}

Deno.test("renovate.json: each pattern for versions in code finds one", () => {
  assertEquals(idle, []);
});

Deno.test("a version that stands in several places is the same in all of them", async () => {
  const dockerfile = await Deno.readTextFile(join(root, "Dockerfile"));
  for (const [, image, version] of dockerfile.matchAll(/^FROM \S+\/(deno|dbmate):([^\s@]+)/gm)) {
    const name = image === "deno" ? "deno" : "@dbmate/linux-x64";
    found.get(name)!.getOrInsertComputed(version!, () => []).push("Dockerfile");
  }
  for (const [name, versions] of found) {
    assertEquals(versions.size, 1, `${name}: ${JSON.stringify([...versions])}`);
  }
});

Deno.test("an image that is built on or started is named by its digest as well: a tag can be moved", async () => {
  const dockerfile = await Deno.readTextFile(join(root, "Dockerfile"));
  const compose = await Deno.readTextFile(join(root, "compose.yaml"));
  const images = [...dockerfile.matchAll(/^FROM (\S+)/gm), ...compose.matchAll(/^ +image: (\S+)/gm)]
    .map(([, name]) => name!).filter((name) => name.includes("/"));
  assertEquals(images.length > 3, true);
  assertEquals(images.filter((name) => !/:[\w.-]+@sha256:[0-9a-f]{64}$/.test(name)), []);
});

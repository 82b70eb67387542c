// `npm pack` in this folder: copies the command and the two rooms that it stands on into dist/, with
// the imports that they need.
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const dist = join(here, "dist");
const left = ["tests", "dist", "node_modules", "package.json", "bin.mjs", "pack.mjs"];

rmSync(dist, { recursive: true, force: true });
for (const room of ["migrate", "postgres", "embedded"]) {
  for (const name of readdirSync(join(root, room))) {
    if (left.includes(name) || name.endsWith(".tgz") || name === "deno.json") continue;
    cpSync(join(root, room, name), join(dist, room, name), { recursive: true });
  }
}
cpSync(join(root, "LICENSE"), join(dist, "LICENSE"));

const sources = readdirSync(dist, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => readFileSync(join(dist, name), "utf8"));
const { imports } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));
const used = Object.entries(imports).filter(([name]) =>
  sources.some((text) => text.includes(`"${name}"`))
);
const config = { imports: Object.fromEntries(used), nodeModulesDir: "none" };
writeFileSync(join(dist, "deno.json"), `${JSON.stringify(config, null, 2)}\n`);
console.error(`${basename(here)}: ${sources.length} files, ${used.length} imports`);

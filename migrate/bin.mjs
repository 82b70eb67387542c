#!/usr/bin/env node
// Runs the command with the Deno that came with this package, else with the one on PATH. Signals go
// on to it, and its end is ours: nothing is left running.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** The executable itself: the package's own script would not hand a signal on. */
function deno() {
  const { platform, arch } = process;
  const system = platform === "linux" ? `linux-${arch}-glibc` : `${platform}-${arch}`;
  const require = createRequire(import.meta.url);
  try {
    const inside = createRequire(require.resolve("deno/package.json"));
    const folder = dirname(inside.resolve(`@deno/${system}/package.json`));
    const path = join(folder, platform === "win32" ? "deno.exe" : "deno");
    if (existsSync(path)) return path;
  } catch {
    // Installed without its optional parts.
  }
  return "deno";
}

const calledByNpx = process.env.npm_command === "exec" || /[\\/]node_modules[\\/]/.test(here);
const child = spawn(
  deno(),
  [
    // PostgreSQL's grammar is WebAssembly: compiled for speed it would take twice as long as it runs.
    ...["run", "--v8-flags=--liftoff-only", "--allow-all", "--quiet", "--no-lock"],
    ...["--config", join(here, "dist", "deno.json"), join(here, "dist", "migrate", "main.ts")],
    ...process.argv.slice(2),
  ],
  {
    stdio: "inherit",
    env: {
      ...process.env,
      DENO_NO_UPDATE_CHECK: "1",
      // As npm does, which brought this package through the same network.
      DENO_TLS_CA_STORE: process.env.DENO_TLS_CA_STORE ?? "mozilla,system",
      MIGRATE_CALLED_AS: calledByNpx ? "npx dbmate-guard" : "dbmate-guard",
    },
  },
);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  console.error(
    `Deno cannot be started (${error.message}): install it, as by \`npm install deno\``,
  );
  process.exit(2);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../../embedded/watchdog.ts";
import { Failure } from "../command.ts";
import { npmPlatform } from "../platform.ts";

const version = "2.61.0";

/**
 * By platform: `npm view @squawk-cli/<platform>@<version> dist.integrity`. Not in deno.lock: the
 * first `deno task` of a checkout fetches all that stands there, 22 MB more for who checks nothing.
 */
const integrity: Record<string, string> = {
  "darwin-arm64":
    "sha512-N7kLIiJ2WviB9CKD/FGA6ju3WqvbSEYyzKalzXB1sZ43H341zMyvHAlcT629cYgsGMFoAlbbXA9NRAf2fzmzTg==",
  "darwin-x64":
    "sha512-58IeANTsjUvJOuvIPNZzMEUm6wpi9AkqwwcL1oPIDYXKBx+/w9e+O1tH2eXHGQmBBlAMRU2uLGqoxeEmI/J45A==",
  "linux-arm64":
    "sha512-hGb50Tvo++XzULvjB/ZbcSVfKgNcysEP4bxB+gRzbMa9DGaLG74E8fX6AzOvEC6w8ujP0xs8ft9OHvG1vdUf7w==",
  "linux-x64":
    "sha512-LS5FcbzvBHOr0T8Oy5TvcDpJSZV8aOhnMXUSgHz9qSplIR3ooQ1NwOs8H9+kG+skKAM0yG63a5ekzPgyd0u1Uw==",
  "win32-x64":
    "sha512-wTfnPIf6yrbwWcFjCYzvLeUUYwo1LuHB6LmomvxsOLUmdY911WNCHsR3O8SV4uKfA1zJgrZFhrinm/2UYxKDjA==",
};

let found: Promise<string> | undefined;

/**
 * The path of squawk's executable, fetched when it is first asked for: 22 MB. The package of the
 * platform alone; the wrapper's own includes all of them. Throws Failure where it cannot be had.
 */
export function squawkBinary(): Promise<string> {
  return found ??= fetched();
}

/** By a process of its own, since a process has one lock. */
async function fetched(): Promise<string> {
  const platform = npmPlatform();
  const id = `@squawk-cli/${platform}@${version}`;
  const manifest = `npm:${id}/package.json`;
  await using folder = await temporaryFolder("migrate-squawk-");
  const lock = join(folder.path, "deno.lock");
  const content = {
    version: "5",
    specifiers: { [`npm:${id}`]: version },
    npm: { [id]: { integrity: integrity[platform] } },
  };
  await Deno.writeTextFile(lock, JSON.stringify(content));
  const script = `await import("${manifest}", { with: { type: "json" } });
    console.log(import.meta.resolve("${manifest}"));`;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", `--lock=${lock}`, script],
    // Where an .npmrc may name a registry.
    cwd: import.meta.dirname,
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (code !== 0) {
    throw new Failure(`squawk, which check lints with, is not to be had: ${decode(stderr)}`);
  }
  return join(dirname(fileURLToPath(decode(stdout))), "bin", "squawk");
}

/**
 * Runs one command of the migrations after another, as a process each would, without what each of
 * those costs to start: tests/support/command_hosts.ts. A request is a line on standard input, its
 * answer a line on standard output.
 */
import { lines } from "./lines.ts";
import type { Outcome } from "./command.ts";
import { main } from "../../migrate/main.ts";

export interface Request {
  args: string[];
  /** The whole environment. */
  env: Record<string, string>;
}

const answer = Deno.stdout.writeSync.bind(Deno.stdout);
const stdout = capture(Deno.stdout, "log", "info", "debug");
const stderr = capture(Deno.stderr, "error", "warn");

for await (const line of lines(Deno.stdin.readable)) void run(JSON.parse(line));
// Nobody waits for what still runs.
Deno.exit();

/** A defect, which is thrown, ends the process: whoever waits is told what it said. */
async function run({ args, env }: Request) {
  for (const name of Object.keys(Deno.env.toObject())) {
    if (!Object.hasOwn(env, name)) Deno.env.delete(name);
  }
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  const code = await main(args);
  const outcome: Outcome = { code, stdout: stdout(), stderr: stderr() };
  const bytes = new TextEncoder().encode(JSON.stringify(outcome) + "\n");
  for (let sent = 0; sent < bytes.length;) sent += answer(bytes.subarray(sent));
}

/** Keeps what is written to a stream. Returns what takes it out. */
function capture(
  stream: typeof Deno.stdout | typeof Deno.stderr,
  ...methods: ("log" | "info" | "debug" | "error" | "warn")[]
): () => string {
  let text = "";
  const decoder = new TextDecoder();
  const writeSync = (bytes: Uint8Array) => {
    text += decoder.decode(bytes, { stream: true });
    return bytes.length;
  };
  Object.assign(stream, {
    writeSync,
    write: (bytes: Uint8Array) => Promise.resolve(writeSync(bytes)),
  });
  for (const method of methods) {
    console[method] = (...values: unknown[]) => {
      text += values.map((value) =>
        typeof value === "string" ? value : Deno.inspect(value)
      ).join(" ") +
        "\n";
    };
  }
  return () => {
    const taken = text;
    text = "";
    return taken;
  };
}

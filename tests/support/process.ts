import { freePort as anyFreePort } from "../../embedded/server.ts";
import { spawnWatched } from "../../embedded/watchdog.ts";
import { until } from "./pool.ts";
import { root } from "./root.ts";

/** A program of ours that runs beside the test. Disposing ends its whole process group. */
export interface Process extends AsyncDisposable {
  pid: number;
  /** Resolves when the output so far matches; fails when the program ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** Sends a signal to the group, as a terminal does when one presses Ctrl-C. */
  interrupt(signal?: Deno.Signal): void;
  /** Resolves to the exit code. */
  ended: Promise<number>;
  /** Everything on standard output and standard error. */
  output(): string;
}

/**
 * Runs `deno <args>` in the project, or a copy of it, as a process group of its own; with `files` as
 * one that may have only so many open.
 */
export function startProcess(
  args: string[],
  env: Record<string, string> = {},
  cwd = root,
  files?: number,
): Process {
  const [command, all] = files === undefined
    ? [Deno.execPath(), args]
    : ["sh", ["-c", `ulimit -n ${files} && exec "$0" "$@"`, Deno.execPath(), ...args]];
  const child = spawnWatched(command, all, {
    cwd,
    env: { NO_COLOR: "1", ...env },
    stdout: "piped",
    stderr: "piped",
    detached: true,
  });
  let text = "";
  let waiting: (() => void)[] = [];
  const wake = () => {
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream() as never)) {
      text += chunk;
      wake();
    }
  };
  let over = false;
  const ended = (async () => {
    const [{ code }] = await Promise.all([child.status, read(child.stdout), read(child.stderr)]);
    over = true;
    wake();
    return code;
  })();
  const interrupt = (signal: Deno.Signal = "SIGINT") => {
    try {
      Deno.kill(-child.pid, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) && !over) throw error;
    }
  };
  return {
    pid: child.pid,
    async says(pattern) {
      while (true) {
        const match = pattern.exec(text);
        if (match) return match;
        if (over) throw new Error(`it ended without saying ${pattern}:\n${text}`);
        const { promise, resolve } = Promise.withResolvers<void>();
        waiting.push(resolve);
        await promise;
      }
    },
    interrupt,
    ended,
    output: () => text,
    async [Symbol.asyncDispose]() {
      // Asked first, so that `deno task dev` stops its database; killed, it could not.
      interrupt();
      const timer = setTimeout(() => interrupt("SIGKILL"), 180_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** The settings of an API that gives nothing up on a slow machine. */
export const patience = { REQUEST_DEADLINE_MS: "300000", DRAIN_MS: "300000" };

/** Where the ports are noted that were told: tests that a test runs are told none of its run's. */
const told = Deno.env.get("TEST_PORTS") ?? Deno.env.get("TEST_FOLDER");
if (told) Deno.env.set("TEST_PORTS", told);

/**
 * One that no other module of the tests is told, nor an embedded server takes, whoever starts it: it
 * takes a while until somebody listens there, and it is to be free again after a restart.
 */
export function freePort(): number {
  for (;;) {
    const port = anyFreePort(30_081, 32_768 - 30_081);
    try {
      if (told) Deno.mkdirSync(`${told}/port-${port}`);
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

/** Waits until nobody listens there any more. */
export function untilRefused(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  return until(async () => {
    try {
      (await Deno.connect({ hostname, port: Number(port) })).close();
      return false;
    } catch (error) {
      return error instanceof Deno.errors.ConnectionRefused;
    }
  });
}

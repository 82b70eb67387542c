/**
 * Warm processes for the commands of the migrations that the tests of one run type: to start Deno, to
 * load the modules and to compile the SQL parser cost most of them more than their work. Each runs one
 * command at a time, of whichever test.
 */
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { dbFlag, type Outcome } from "./command.ts";
import type { Request } from "./command_host.ts";
import { lines } from "./lines.ts";
import { root } from "./root.ts";

/** What a test gets: what the command said, or why the process that ran it is gone. */
export type Answer = Outcome | { lost: string };

interface Host {
  run(request: string): Promise<Answer>;
  /** Resolves when the process is gone. */
  stop(): Promise<unknown>;
  ended: Promise<unknown>;
  /** Commands that it has run. */
  count: number;
}

/** As many as are at work at once, as a rule; what is beyond ends after its command. */
const kept = 2 * navigator.hardwareConcurrency;
/** What a process keeps of commands that it has run does not add up for ever. */
const most = 50;

/** Answers on a socket. Disposing ends the processes. */
export function serveCommands(path: string): AsyncDisposable {
  const listener = Deno.listen({ transport: "unix", path });
  const all = new Set<Host>();
  const idle: Host[] = [];

  async function answer(connection: Deno.Conn) {
    const request = await received(connection);
    const host = idle.pop() ?? begin();
    const answer = await host.run(request);
    const isSpent = "lost" in answer || isDefect(answer) || ++host.count >= most;
    if (isSpent || idle.length >= kept) await host.stop();
    else idle.push(host);
    await send(connection, JSON.stringify(answer));
  }

  function begin(): Host {
    const host = start();
    all.add(host);
    host.ended.finally(() => {
      all.delete(host);
      const place = idle.indexOf(host);
      if (place >= 0) idle.splice(place, 1);
    });
    return host;
  }

  async function listen() {
    for await (const connection of listener) {
      // Who asked may have been killed meanwhile.
      answer(connection).catch(() => {}).finally(() => connection.close());
    }
  }

  listen();
  return {
    async [Symbol.asyncDispose]() {
      listener.close();
      await Promise.all(Array.from(all, (host) => host.stop()));
    },
  };
}

/** After what nobody foresaw, nothing is known of its state. */
function isDefect({ stderr }: Outcome): boolean {
  return stderr.includes("a defect of the command itself");
}

function start(): Host {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", dbFlag, "--allow-all", join(root, "tests", "support", "command_host.ts")],
    cwd: root,
    // Its end ends the process, so that it is gone when we are.
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const input = child.stdin.getWriter();
  const answers = lines(child.stdout);
  const said = text(child.stderr);
  const stop = async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await child.status;
    // Of a pipe that nobody reads any more, the end is an error as well.
    await input.close().catch(() => {});
  };
  return {
    async run(request) {
      try {
        await input.write(new TextEncoder().encode(request + "\n"));
        const { value, done } = await answers.next();
        if (!done) return JSON.parse(value);
      } catch {
        // Nobody reads there any more, or what it wrote is no answer.
      }
      await stop();
      return { lost: await said };
    },
    stop,
    ended: child.status,
    count: 0,
  };
}

/** Has a command run by one of the processes behind the socket. */
export async function askForCommand(path: string, request: Request): Promise<Outcome> {
  using connection = await Deno.connect({ transport: "unix", path });
  await send(connection, JSON.stringify(request));
  const answer: Answer = JSON.parse(await received(connection));
  if ("lost" in answer) {
    throw new Error(`the process that ran \`db ${request.args.join(" ")}\` ended: ${answer.lost}`);
  }
  return answer;
}

/** Sends a text and the end of it. */
async function send(connection: Deno.Conn, text: string) {
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
  await connection.closeWrite();
}

/** What the other side sends, to its end. A stream of the connection would close it there. */
async function received(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65_536);
  let text = "";
  for (let length; (length = await connection.read(buffer)) !== null;) {
    text += decoder.decode(buffer.subarray(0, length), { stream: true });
  }
  return text;
}

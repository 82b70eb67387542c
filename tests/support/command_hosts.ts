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
  child: Deno.ChildProcess;
  run(request: string): Promise<Answer>;
}

/** As many as are at work at once, as a rule; what is beyond ends after its command. */
const kept = 2 * navigator.hardwareConcurrency;

/** Answers on a socket. Disposing ends the processes. */
export function serveCommands(path: string): AsyncDisposable {
  const listener = Deno.listen({ transport: "unix", path });
  const all = new Set<Host>();
  const idle: Host[] = [];

  async function answer(connection: Deno.Conn) {
    const request = await received(connection);
    const host = idle.pop() ?? start();
    all.add(host);
    const answer = await host.run(request);
    if ("lost" in answer || isDefect(answer) || idle.length >= kept) await end(host);
    else idle.push(host);
    await send(connection, JSON.stringify(answer));
  }

  async function end(host: Host) {
    all.delete(host);
    await stop(host);
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
      await Promise.all(Array.from(all, end));
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
  return {
    child,
    async run(request) {
      try {
        await input.write(new TextEncoder().encode(request + "\n"));
        const { value, done } = await answers.next();
        if (!done) return JSON.parse(value);
      } catch (error) {
        // What it wrote is no answer, or nobody reads there any more.
        child.kill("SIGKILL");
        return { lost: `${(error as Error).message}\n${await said}` };
      }
      return { lost: await said };
    },
  };
}

async function stop({ child }: Host) {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
  await child.status;
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

import { freePort } from "../embedded/server.ts";
import { spawnWatched } from "../embedded/watchdog.ts";
import { environment } from "./data.ts";

/** Something that serves the todos. */
export interface Peer {
  name: string;
  /** The program and its arguments, in `cwd`; it listens on PORT of the loopback. */
  command: string[];
  cwd: string;
  /** What it takes to run it. */
  install: string[][];
  /** Prints the version of its runtime. */
  version: string[];
}

const here = import.meta.dirname!;
const root = `${here}/..`;
/** What the peers are built into; not committed. */
const built = `${root}/.data/bench`;

const deno = Deno.execPath();
const { tasks } = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));
const python = `${built}/flask/bin`;

export const slate: Peer = {
  name: "Slate",
  command: [deno, ...tasks.start.command.split(" ").slice(1)],
  cwd: root,
  install: [],
  version: [deno, "--version"],
};

/** In the order of the results. */
export const peers: Peer[] = [
  slate,
  {
    name: "Go, pgx",
    command: [`${built}/go`],
    cwd: `${here}/peers/go`,
    install: [["go", "build", "-o", `${built}/go`, "."]],
    version: ["go", "version"],
  },
  {
    name: "Fastify, pg",
    command: ["node", "server.js"],
    cwd: `${here}/peers/fastify`,
    install: [["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]],
    version: ["node", "--version"],
  },
  {
    name: "Hono, postgres.js",
    command: [deno, "run", "--allow-net", "--allow-env", "--allow-read", "server.ts"],
    cwd: `${here}/peers/hono`,
    install: [],
    version: [deno, "--version"],
  },
  {
    name: "Flask, SQLAlchemy",
    // Two workers a core and one, as gunicorn's documentation says, and one connection each.
    command: [
      ...[`${python}/gunicorn`, "--bind", "127.0.0.1:$PORT", "--log-level", "warning"],
      ...["--workers", "$WORKERS", "app:app"],
    ],
    cwd: `${here}/peers/flask`,
    install: [
      ["python3", "-m", "venv", `${built}/flask`],
      [
        `${python}/pip`,
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        "requirements.txt",
      ],
    ],
    version: ["python3", "--version"],
  },
];

/** Runs a command to its end and gives what it printed. Throws an Error with what it said. */
export async function run([program, ...args]: string[], cwd = here): Promise<string> {
  const options = { cwd, stdout: "piped", stderr: "piped", detached: true } as const;
  const { success, stdout, stderr } = await spawnWatched(program!, args, options).output();
  const text = new TextDecoder().decode(stdout).trim();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr).trim() || text}`);
  return text;
}

/** Builds what needs building. Gives the runtime's version, or why it is skipped. */
export async function install(
  { install, version, cwd }: Peer,
): Promise<{ version: string } | { skipped: string }> {
  try {
    await Deno.mkdir(built, { recursive: true });
    const line = (await run(version, cwd)).split("\n")[0]!;
    for (const step of install) await run(step, cwd);
    return { version: line.replace(/^go version /, "").replace(/ \(.*/, "") };
  } catch (error) {
    return { skipped: (error as Error).message.split("\n").pop()! };
  }
}

export interface Running extends AsyncDisposable {
  origin: string;
  pid: number;
  /** Milliseconds from the process's start until it took a connection, and until it answered. */
  started: { listening: number; answering: number };
}

/** Connections to the database, of each peer. */
export const defaultPool = 10;

/** Starts it on a free port and waits for its first answer, whatever it is. */
export async function start(
  { command, cwd, name }: Peer,
  url: string,
  pool = defaultPool,
): Promise<Running> {
  const port = freePort();
  const workers = Math.min(pool, 2 * navigator.hardwareConcurrency + 1);
  const [program, ...args] = command.map((part) =>
    part.replace("$PORT", `${port}`).replace("$WORKERS", `${workers}`)
  );
  const began = performance.now();
  const child = spawnWatched(program!, args, {
    cwd,
    env: {
      DATABASE_URL: url,
      PORT: `${port}`,
      POOL_SIZE: `${pool}`,
      SLATE_ENV: environment,
      // Counted, and never reached.
      RATE_LIMIT: "1000000000",
    },
    stdout: "null",
    stderr: "inherit",
  });
  const origin = `http://127.0.0.1:${port}`;
  let ended = false;
  child.status.then(() => ended = true);
  const spent = () => performance.now() - began;
  while (!await listens(port)) {
    if (ended || spent() > 30_000) throw new Error(`${name} did not start`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const listening = spent();
  await (await fetch(`${origin}/api/todos`)).body?.cancel();
  return {
    origin,
    pid: child.pid,
    started: { listening, answering: spent() },
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill("SIGTERM");
      await child.status;
    },
  };
}

async function listens(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

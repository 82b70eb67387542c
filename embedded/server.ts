import { join } from "node:path";
import { type Account, give, runBeside, succeeds, writeBeside } from "./account.ts";
import { EmbeddedError } from "./error.ts";

/** A database of its own port: away from 5432, where another PostgreSQL may be. */
const defaultPort = 15432;

/** What it takes to run PostgreSQL on one folder. */
export interface Server {
  /** The folder of initdb, pg_ctl and postgres. */
  bin: string;
  /** The folder of the log; for an ephemeral server it goes as a whole. */
  home: string;
  /** PGDATA. */
  data: string;
  account: Account | undefined;
  ephemeral: boolean;
}

/** All that changes what initdb makes, beside the folder and the password. */
export const initdbOptions = [
  "--username=slate",
  "--auth=scram-sha-256",
  "--encoding=UTF8",
  // The same order of names on every machine.
  "--locale=C",
  "--locale-provider=builtin",
  "--builtin-locale=C.UTF-8",
  // Our password is random, so a slow hash of it protects nothing and only makes each connection take
  // 2 ms longer. dbmate refuses fewer.
  "--set=scram_iterations=1000",
];

/** Makes an empty PostgreSQL whose one role, `slate`, has this password. */
export async function initialise(server: Server, password: string) {
  const { bin, home, data, account, ephemeral } = server;
  // Renamed when complete: a process that is killed half-way leaves no half database.
  const unfinished = join(home, "postgres.unfinished");
  await Deno.remove(unfinished, { recursive: true }).catch(() => {});
  const passwordFile = join(home, "pgpass.initdb");
  await runBeside(unfinished, 'mkdir -m 700 "$1"');
  await writeBeside(passwordFile, password);
  give(unfinished, account);
  give(passwordFile, account);
  const initdb = new Deno.Command(join(bin, "initdb"), {
    args: [
      `--pgdata=${unfinished}`,
      `--pwfile=${passwordFile}`,
      ...initdbOptions,
      ...(ephemeral ? ["--no-sync"] : []),
    ],
    cwd: home,
    stdin: "null",
    stdout: "null",
    ...account,
  });
  const { success, stderr } = await initdb.output();
  await runBeside(passwordFile, 'rm -f "$1"');
  if (!success) {
    throw new EmbeddedError(
      `PostgreSQL could not be set up in ${data}: ${new TextDecoder().decode(stderr).trim()}`,
    );
  }
  await runBeside(unfinished, 'mv "$1" "${1%.unfinished}"');
}

/** Gives the role another password, in data that no server runs on; nothing of it is synced. */
export function setPassword(server: Server, data: string, password: string): Promise<boolean> {
  return succeeds(
    join(server.bin, "postgres"),
    ["--single", "-F", "-c", "exit_on_error=on", "-D", data, "postgres"],
    server.account,
    `alter role slate password '${password}'\n`,
  );
}

/**
 * Runs the server under a shell that waits for its input to end: it does when we close it and also
 * when we are killed, and then the shell stops the server. Signals from a terminal go to the whole
 * group, so the shell ignores them and leaves the order of stopping to us. The server is its child,
 * not pg_ctl's: who kills a process with all below it gets the server too, and on Linux the kernel
 * stops the server when the shell alone is killed. The arguments are the server's.
 */
const supervisor = `
# An owner who is gone must not end the shell by its own answer, before the server is stopped.
trap '' INT HUP TERM PIPE
umask 077
tie="setpriv --pdeathsig $STOP"
$tie true || tie=
# The first line is the process, the eighth how far it is.
is_ready() {
  { read -r pid && read -r _ && read -r _ && read -r _ && read -r _ && read -r _ && read -r _ &&
    read -r state; } < "$PGDATA/postmaster.pid" && [ "$pid $state" = "$started ready" ]
}
start() {
  $tie postgres -D "$PGDATA" "$@" >> "$LOG" 2>&1 &
  started=$!
  until is_ready; do
    kill -0 "$started" || return 1
    sleep 0.05
  done
}
attempt=0
# After a kill -9 the old server, or its memory, can be there for a moment still.
until start "$@"; do
  tail -n 5 "$LOG" | grep -q 'could not create any TCP/IP sockets' && { echo taken; exit 1; }
  attempt=$((attempt + 1))
  [ $attempt -lt 20 ] || { echo failed; exit 1; }
  sleep 0.5
done
echo started
read -r _
# Not by pg_ctl, which would wait for the server that a new owner has started since.
attempt=0
while [ "$(head -n 1 "$PGDATA/postmaster.pid" 2>/dev/null)" = "$started" ]; do
  [ $attempt -gt 0 ] || kill "-$STOP" "$started"
  attempt=$((attempt + 1))
  kill -0 "$started" 2>/dev/null && [ $attempt -lt 6000 ] || break
  sleep 0.01
done
`;

/** Somebody took the port between our look and PostgreSQL's start; another one may be tried. */
export class PortTaken extends EmbeddedError {}

/**
 * Starts the server and returns what stops it. It stops by itself when this process is gone. Throws
 * EmbeddedError with the end of the log where it does not start, PortTaken where only the port is at
 * fault.
 */
export async function supervise(server: Server, port: number): Promise<() => Promise<void>> {
  const { bin, home, data, account, ephemeral } = server;
  const log = join(home, "postgres.log");
  const options: Record<string, string | number> = {
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: "",
    ...(ephemeral
      ? {
        fsync: "off",
        synchronous_commit: "off",
        full_page_writes: "off",
        max_connections: 500,
        // No workers to be started, for what is in memory anyway.
        io_method: "sync",
        // In its folder, which goes as a whole, also after a kill -9.
        dynamic_shared_memory_type: "mmap",
      }
      // As usual, for passwords that a person chooses.
      : { scram_iterations: 4096 }),
  };
  if (account) {
    await runBeside(log, 'umask 077; : >> "$1"');
    give(log, account);
  }
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      supervisor,
      "sh",
      ...Object.entries(options).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    cwd: home,
    clearEnv: true,
    env: {
      PATH: `${bin}:/usr/bin:/bin`,
      LC_ALL: "C",
      PGDATA: data,
      LOG: log,
      // Immediately, where nothing is to be kept.
      STOP: ephemeral ? "QUIT" : "INT",
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    // Out of our group: a kill -9 of all of it, as by `timeout`, must not take the shell away too.
    detached: true,
    ...account,
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let outcome: string | undefined;
  reader.read().then(({ value = "" }) => outcome = value);
  async function stop() {
    await child.stdin.close().catch(() => {});
    const [{ success }] = await Promise.all([child.status, reader.cancel()]);
    // Somebody has killed the shell, which would have stopped the server.
    if (!success && !/^(taken|failed)/.test(outcome ?? "")) await stopLeftover(server);
  }
  while (outcome === undefined) {
    // The shell looks only twenty times a second. In another folder the line may be the last server's.
    if (ephemeral && await isReady(data)) return stop;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  if (outcome.startsWith("started")) return stop;
  await stop();
  const tail = (await Deno.readTextFile(log).catch(() => "")).trim().split("\n").slice(-5);
  const Fault = outcome.startsWith("taken") ? PortTaken : EmbeddedError;
  throw new Fault(`PostgreSQL did not start; the end of ${log}:\n${tail.join("\n")}`);
}

/** Whether the server accepts connections, as the eighth line of postmaster.pid says. */
async function isReady(data: string): Promise<boolean> {
  const pidFile = await Deno.readTextFile(join(data, "postmaster.pid")).catch(() => "");
  return pidFile.split("\n")[7]?.trim() === "ready";
}

/** Stops a server that a killed owner has left running. */
export async function stopLeftover({ bin, home, data, account }: Server) {
  await new Deno.Command(join(bin, "pg_ctl"), {
    args: ["stop", "-s", "-w", "-m", "fast", "-D", data],
    cwd: home,
    stdin: "null",
    stdout: "null",
    stderr: "null",
    ...account,
  }).output();
}

/** The port of the last start where it is free, so that .env stays right; else another. */
export async function preferredPort(dataDir: string): Promise<number> {
  const path = join(dataDir, "port");
  const text = await Deno.readTextFile(path).catch(() => "");
  const known = Number(text) || defaultPort;
  const port = isFree(known) ? known : freePort();
  if (text !== `${port}\n`) await writeBeside(path, `${port}\n`);
  return port;
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}

/**
 * One of so many ports from the first on. All are below those that the kernel hands out, so that nobody
 * gets it before we listen. Above 10,080, the last one that fetch and browsers refuse to call
 * (https://fetch.spec.whatwg.org/#port-blocking). What is above the default's 30,080 is for tests.
 */
export function freePort(first = 10_081, count = 20_000): number {
  for (;;) {
    const port = first + Math.floor(Math.random() * count);
    if (isFree(port)) return port;
  }
}

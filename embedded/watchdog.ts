import { tmpdir } from "node:os";
import { join } from "node:path";
import { homes } from "./account.ts";

/**
 * The shell becomes the command, so that its process id, its signals and its exit code are the
 * command's own. Beside it waits another for the end of the input, which comes when its owner closes
 * it, or is gone in any way. The process group is the command's where it leads one.
 */
const script = `
exec 3<&0
target=$$
[ "$(ps -o pgid= -p $$ | tr -d ' ')" != $$ ] || target=-$$
{
  trap '' INT TERM HUP PIPE
  cat <&3
  attempt=0
  if [ "$GRACE" -gt 0 ]; then kill -s INT -- "$target"; fi
  while [ $attempt -lt "$GRACE" ] && kill -0 $$; do
    sleep 0.1
    attempt=$((attempt + 1))
  done
  if kill -0 $$; then kill -s KILL -- "$target"; fi
} > /dev/null 2>&1 &
exec "$@" < /dev/null 3<&-
`;

interface WatchOptions extends Omit<Deno.CommandOptions, "args" | "stdin"> {
  /** How long it may take to end by itself after an interruption; by default none. */
  graceMs?: number;
}

/**
 * Starts a program that does not outlive us: a kill -9 leaves neither it nor what it has started in
 * its process group, if it leads one.
 */
export function spawnWatched(
  command: string,
  args: string[],
  { graceMs = 0, env, ...options }: WatchOptions,
): Deno.ChildProcess {
  if (Deno.build.os === "windows") {
    return new Deno.Command(command, { args, env, ...options, stdin: "null" }).spawn();
  }
  const child = new Deno.Command("sh", {
    ...options,
    args: ["-c", script, "sh", command, ...args],
    env: { ...env, GRACE: String(Math.ceil(graceMs / 100)) },
    stdin: "piped",
  }).spawn();
  child.status.then(() => child.stdin.close()).catch(() => {});
  return child;
}

/**
 * Calls back when the task runner that started us is gone: a kill -9 of `deno task` kills it alone.
 */
export function whenTaskIsGone(gone: () => void) {
  // Only a task has it; a program that was started by a shell may outlive the shell.
  if (!Deno.env.has("INIT_CWD")) return;
  const runner = Deno.ppid;
  const timer = setInterval(() => {
    if (Deno.ppid === runner) return;
    clearInterval(timer);
    gone();
  }, 500);
  Deno.unrefTimer(timer);
}

/**
 * Waits for a line, or for the end that comes when its owner is gone, then for the servers in the
 * folders to be gone, and removes them, with the homes of servers that root's own links in there lead
 * to. A shell of its own, because the folders are ours and not always the server's account's.
 */
const remover = `
trap '' INT HUP TERM PIPE
once=1
read -r _ || once=
runs() {
  [ -f "$1/postgres/postmaster.pid" ] || return 1
  pid=$(head -n 1 "$1/postgres/postmaster.pid" 2>/dev/null)
  [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null
}
found=
attempt=0
while [ $attempt -lt 3000 ]; do
  attempt=$((attempt + 1))
  # Again each time: what is killed with us may have made one meanwhile.
  [ "$(id -u)" != 0 ] || for home in $(
    find "$@" -name postgres -prune -type l -user 0 -exec readlink {} \\; 2>/dev/null |
      sed -n "s,^\\($HOMES/[0-9a-f-]*\\)/postgres$,\\1,p"
  ); do
    case " $found " in *" $home "*) ;; *) found="$found $home" ;; esac
  done
  busy=
  for folder in "$1" $found; do ! runs "$folder" || busy=1; done
  if [ -z "$busy" ] && rm -rf "$@" $found 2>/dev/null; then
    [ -z "$once" ] || break
    # Whom a killed owner has just started may be about to make one of them.
    once=1
    sleep 2
  fi
  sleep 0.02
done
`;

/**
 * Removes folders when what comes back is called, or when we are gone in any way. The first may be the
 * home of an ephemeral server.
 */
export function removeInTheEnd(...folders: string[]): () => Promise<void> {
  const child = new Deno.Command("sh", {
    args: ["-c", remover, "sh", ...folders],
    env: { HOMES: homes },
    cwd: "/",
    stdin: "piped",
    stdout: "null",
    stderr: "null",
    // A kill -9 of our whole group must not reach it.
    detached: true,
  }).spawn();
  return async () => {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("\n"));
    await writer.close();
    await child.status;
  };
}

/** A folder that disposing removes. */
export interface TemporaryFolder {
  path: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A folder for files that nobody needs after us, where temporary files are or in the one given.
 * Disposing removes it; so does a kill -9 of us at any moment, where there is a shell.
 */
export async function temporaryFolder(prefix: string, dir?: string): Promise<TemporaryFolder> {
  const number = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  const path = join(dir ?? tmpdir(), `${prefix}${number}`);
  // It waits before there is a folder, so that there is never one for which nobody waits.
  const remove = shellRemover(path);
  if (!remove) {
    const path = await Deno.makeTempDir({ dir, prefix });
    return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
  }
  try {
    await Deno.mkdir(path, { mode: 0o700 });
  } catch (error) {
    await remove();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: remove };
}

/** Nothing where there is no shell, as on a serverless host, or none that we may run: in the container. */
function shellRemover(path: string): (() => Promise<void>) | undefined {
  const { state } = Deno.permissions.querySync({ name: "run", command: "sh" });
  if (Deno.build.os === "windows" || state !== "granted") return undefined;
  try {
    return removeInTheEnd(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

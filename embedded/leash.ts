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

interface LeashOptions extends Omit<Deno.CommandOptions, "args" | "stdin"> {
  /** Tenths of a second to end by itself after an interruption; by default none. */
  grace?: number;
}

/**
 * Starts a program that does not outlive us: a kill -9 leaves neither it nor what it has started in
 * its process group, if it leads one.
 */
export function spawnLeashed(
  command: string,
  args: string[],
  { grace = 0, env, ...options }: LeashOptions,
): Deno.ChildProcess {
  if (Deno.build.os === "windows") {
    return new Deno.Command(command, { args, env, ...options, stdin: "null" }).spawn();
  }
  const child = new Deno.Command("sh", {
    ...options,
    args: ["-c", script, "sh", command, ...args],
    env: { ...env, GRACE: String(grace) },
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

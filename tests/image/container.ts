/**
 * Containers of the image by the kernel's own means: a PID namespace, in which the entrypoint is
 * process 1, and a mount namespace, in which the image can only be read. The network is the host's.
 */
import { join } from "node:path";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { databaseUrl } from "../../postgres/settings.ts";
import { statusOf } from "../support/entrypoint.ts";
import { until } from "../support/pool.ts";
import { freePort, patience } from "../support/process.ts";
import type { Image } from "./buildah.ts";

export interface Options {
  settings?: DatabaseSettings;
  env?: Record<string, string>;
  /** A folder of the host in place of the image's migrations. */
  migrations?: string;
  /** Whether the files of the image may be written to. */
  writable?: boolean;
}

export interface Ended {
  code: number;
  output: string;
}

export interface Container extends AsyncDisposable {
  url: string;
  env: Record<string, string>;
  /** Process 1, as the host numbers it. */
  pid(): Promise<number>;
  /** Its files as it sees them. */
  path(file: string): Promise<string>;
  kill(signal: Deno.Signal): Promise<void>;
  /** The status of an address in it, 0 where nobody answers. */
  status(path: string): Promise<number>;
  /** Resolves when it says that; fails when it ends before. */
  says(pattern: RegExp): Promise<void>;
  /** Resolves when that address answers 200; fails when it ends before. */
  answers(path: string): Promise<void>;
  /** Runs a command in it, as its account unless another is given. */
  exec(args: string[], options?: { input?: string; uid?: number }): Promise<Ended>;
  ended: Promise<Ended>;
}

/** As Docker does with `--read-only --tmpfs /tmp --security-opt no-new-privileges`. */
const isolate = `
  root=$1 writable=$2 migrations=$3 uid=$4 folder=$5
  shift 5
  if [ -z "$writable" ]; then
    mount --bind "$root" "$root"
    mount -o remount,bind,ro "$root"
  fi
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  [ -z "$migrations" ] || mount --bind "$migrations" "$root/app/db/migrations"
  exec setpriv --no-new-privs unshare --root="$root" --wd="$folder" --setuid="$uid" --setgid="$uid" \
    -- "$@"`;

/** The number of the account that the image names. */
export async function accountOf({ files, config }: Image): Promise<number> {
  const accounts = await Deno.readTextFile(join(files, "etc/passwd"));
  const line = accounts.split("\n").find((line) => line.startsWith(`${config.User}:`));
  if (!line) throw new Error(`the image has no account ${config.User}`);
  return Number(line.split(":")[2]);
}

export async function startContainer(image: Image, options: Options = {}): Promise<Container> {
  const { config, files } = image;
  const { settings, migrations = "", writable = false } = options;
  const uid = await accountOf(image);
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const env: Record<string, string> = {
    ...Object.fromEntries(config.Env.map((line) => line.split(/=(.*)/s))),
    // Nobody else on this machine's network needs to see it.
    HOST: "127.0.0.1",
    PORT: String(port),
    ...patience,
    ...settings && { DATABASE_URL: databaseUrl(settings) },
    ...options.env,
  };
  const into = [files, writable ? "yes" : "", migrations, String(uid), config.WorkingDir];
  const child = new Deno.Command("unshare", {
    args: [
      ...["--mount", "--pid", "--fork", "--propagation=private"],
      ...["sh", "-euc", isolate, "sh", ...into, ...config.Entrypoint],
    ],
    clearEnv: true,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) output += chunk;
  };
  let over = false;
  const ended = Promise.all([child.status, read(child.stdout), read(child.stderr)])
    .then(([{ code }]) => {
      over = true;
      return { code, output };
    });
  const untilSo = (condition: () => boolean | Promise<boolean>) =>
    until(async () => {
      if (await condition()) return true;
      if (over) throw new Error(`the container ended:\n${output}`);
      return false;
    });
  const pid = async () => {
    const children = await Deno.readTextFile(`/proc/${child.pid}/task/${child.pid}/children`);
    const [first] = children.match(/\d+/) ?? [];
    if (!first) throw new Error(`the container has no process yet, or no more:\n${output}`);
    return Number(first);
  };
  const container: Container = {
    url,
    env,
    pid,
    path: async (file) => `/proc/${await pid()}/root${file}`,
    kill: async (signal) => Deno.kill(await pid(), signal),
    status: (path) => statusOf(url + path),
    says: (pattern) => untilSo(() => pattern.test(output)),
    answers: (path) => untilSo(async () => await statusOf(url + path) === 200),
    async exec(args, { input = "", uid: account = uid } = {}) {
      const inside = ["--target", String(await pid()), "--mount", "--pid", "--root", "--wd"];
      const as = [`--setuid=${account}`, `--setgid=${account}`];
      const process = new Deno.Command("nsenter", {
        args: [...inside, ...as, "--", ...args],
        clearEnv: true,
        env,
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const writer = process.stdin.getWriter();
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
      const { code, stdout, stderr } = await process.output();
      return { code, output: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
    },
    ended,
    async [Symbol.asyncDispose]() {
      // The kernel ends all of the namespace with its process 1, which would outlive unshare.
      if (!over) await container.kill("SIGKILL");
      await ended;
    },
  };
  return container;
}

/** The container's entrypoint, run in the checkout by the account of the tests. */
import { assert } from "@std/assert";
import { dirname } from "node:path";
import { type DatabaseSettings, databaseUrl } from "../../postgres/settings.ts";
import { dbmateBinary } from "../../migrate/apply/dbmate.ts";
import { root } from "./root.ts";
import { until } from "./pool.ts";
import { patience } from "./process.ts";

export interface Running {
  pid: number;
  /** What it has said so far, on both channels. */
  said(): string;
  kill(signal: Deno.Signal): void;
  /** Waits for the condition; fails with what it said if it ends before. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>;
  /** Its exit code, 128 and the signal's number where a signal has ended it. */
  end: Promise<number>;
}

async function denoDirectory(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** What the image's build does, to be done first: nothing is fetched when a container starts. */
export async function fetchAll() {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "cache",
      "--frozen",
      "main.ts",
      "permissions.ts",
      "migrate/main.ts",
      "migrate/commands/up.ts",
      "migrate.config.ts",
    ],
    cwd: root,
  }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/** Starts it in the checkout, with nothing else in its environment. */
export async function startEntrypoint(
  settings: DatabaseSettings | undefined,
  port: number,
): Promise<Running> {
  const { HOME = "/", PATH } = Deno.env.toObject();
  const child = new Deno.Command(`${root}/entrypoint.sh`, {
    cwd: "/",
    clearEnv: true,
    env: {
      HOME,
      PATH: `${dirname(Deno.execPath())}:${PATH}`,
      TMPDIR: "/tmp",
      DENO_DIR: await denoDirectory(),
      DBMATE_BIN: await dbmateBinary(),
      PORT: String(port),
      ...patience,
      ...(settings ? { DATABASE_URL: databaseUrl(settings) } : {}),
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let text = "";
  let over = false;
  const listen = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) text += chunk;
  };
  const said = Promise.all([listen(child.stdout), listen(child.stderr)]);
  child.status.then(() => over = true);
  return {
    pid: child.pid,
    said: () => text,
    kill(signal) {
      if (!over) child.kill(signal);
    },
    async until(condition) {
      await until(async () => {
        assert(!over, `it ended:\n${text}`);
        return await condition();
      });
    },
    end: said.then(() => child.status).then(({ code }) => code),
  };
}

/** The status that an address answers by, 0 where nobody does. */
export async function statusOf(url: string): Promise<number> {
  const response = await fetch(url).catch(() => undefined);
  await response?.body?.cancel();
  return response?.status ?? 0;
}

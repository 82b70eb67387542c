import type { DatabaseSettings } from "../../postgres/settings.ts";
import { databaseUrl } from "../../postgres/settings.ts";
import { freePort, patience, type Process, startProcess } from "../support/process.ts";

/** What is stuck in a silent network is given up after this. */
export const deadlineMs = 1500;

/** Slate as production runs it: main.ts, a process, the application's role. */
export interface App extends AsyncDisposable {
  url: string;
  /** Kills it and starts it again at the same address. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Resident memory in MiB. */
  memory(): Promise<number>;
}

export async function openApp(
  settings: DatabaseSettings,
  poolSize: number,
  deadlineMs: number,
): Promise<App> {
  const port = freePort();
  const env = {
    DATABASE_URL: databaseUrl(settings),
    HOST: "127.0.0.1",
    PORT: String(port),
    POOL_SIZE: String(poolSize),
    ...patience,
    REQUEST_DEADLINE_MS: String(deadlineMs),
    RATE_LIMIT: "0",
  };
  let child: Process;
  async function restart() {
    const task = ["run", "--allow-net", "--allow-env", "--allow-read", "main.ts"];
    child = startProcess(task, env);
    await child.says(/"listening"/);
  }
  await restart();
  return {
    url: `http://127.0.0.1:${port}`,
    restart,
    async kill() {
      child.interrupt("SIGKILL");
      await child.ended;
    },
    async memory() {
      const args = ["-o", "rss=", "-p", String(child.pid)];
      const { stdout } = await new Deno.Command("ps", { args }).output();
      return Math.round(Number(new TextDecoder().decode(stdout)) / 1024);
    },
    async [Symbol.asyncDispose]() {
      child.interrupt("SIGTERM");
      const code = await child.ended;
      if (code !== 0) throw new Error(`the app ended by ${code}: ${child.output().slice(-2000)}`);
    },
  };
}

// deno-lint-ignore no-import-prefix -- in deno.json, everybody's first start would fetch it
import autocannon from "npm:autocannon@9.0.0";
import type { Data } from "./data.ts";
import type { Work } from "./works.ts";

/** Connections that ask at the same time, each as soon as it has its answer. */
export const connections = 32;

export interface Load {
  /** A second. */
  rate: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

/** What makes the load: wrk where it is installed, else autocannon. */
export const generator = await version();

async function version(): Promise<string> {
  try {
    const { stdout } = await new Deno.Command("wrk", { args: ["-v"], stderr: "null" }).output();
    return new TextDecoder().decode(stdout).split(" [")[0]!.trim();
  } catch {
    return "autocannon";
  }
}

/** Sends one kind of work for so many seconds. Throws an Error if a request failed. */
export async function load(origin: string, work: Work, data: Data, seconds: number): Promise<Load> {
  const result = await (generator === "autocannon" ? cannon : wrk)(origin, work, data, seconds);
  if (result.failed > 0 || result.requests === 0) {
    throw new Error(`${work.name}: ${result.failed} of ${result.requests} requests failed`);
  }
  return { rate: result.requests / result.seconds, p50: result.p50, p99: result.p99 };
}

interface Result {
  requests: number;
  seconds: number;
  failed: number;
  p50: number;
  p99: number;
}

async function wrk(origin: string, work: Work, data: Data, seconds: number): Promise<Result> {
  const script = new URL("load.lua", import.meta.url).pathname;
  const { method, path, body = "", ifMatch = "" } = work;
  const { stdout, stderr } = await new Deno.Command("wrk", {
    args: [
      ...["--threads", "1", "--connections", `${connections}`, "--duration", `${seconds}s`],
      // As autocannon has it: on a busy machine a slow peer is slow, and does not fail.
      ...["--timeout", "10s"],
      ...["--script", script, origin, "--"],
      ...[method, path, `${data.todos}`, data.key, body, ifMatch],
    ],
  }).output();
  const last = new TextDecoder().decode(stdout).trim().split("\n").pop()!;
  if (!last.startsWith("{")) throw new Error(`wrk: ${new TextDecoder().decode(stderr)}${last}`);
  return JSON.parse(last);
}

async function cannon(url: string, work: Work, data: Data, seconds: number): Promise<Result> {
  const { method, path, body, ifMatch } = work;
  let id = 0;
  let version = 1;
  const fill = (text: string) =>
    text.replaceAll("{id}", `${id}`).replaceAll("{version}", `${version}`);
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    requests: [{
      method,
      setupRequest(request: object) {
        if (++id > data.todos) [id, version] = [1, version + 1];
        const headers: Record<string, string> = { authorization: `Bearer ${data.key}` };
        if (body) headers["content-type"] = "application/json";
        if (ifMatch) headers["if-match"] = fill(ifMatch);
        return { ...request, headers, path: fill(path), body: body && fill(body) };
      },
    }],
  });
  const { requests, duration, non2xx, errors, latency } = result;
  return {
    requests: requests.total,
    seconds: duration,
    failed: non2xx + errors,
    p50: latency.p50,
    p99: latency.p99,
  };
}

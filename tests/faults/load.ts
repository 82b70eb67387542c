import { pause, soon } from "../support/pool.ts";
import type { Writer } from "../support/writers.ts";

/** What the clients saw. */
export interface Load {
  requests: number;
  /** Descriptions whose creation was answered 201. */
  acknowledged: Set<string>;
  /** Answers of 503 and 504. */
  refused: number;
  /** Requests whose connection broke: allowed only while the app itself is killed. */
  broken: number;
  /** What must never be: another user's row, another status, a row that is not what was sent. */
  wrong: string[];
  /** Milliseconds from now until each client has had an answer to a request sent from now on. */
  recovered(): Promise<number>;
  stop(): Promise<void>;
}

/** All writers at work, each one request after the other, until it is stopped. */
export function startLoad(url: string, writers: Writer[], breakable: boolean): Load {
  let stopping = false;
  let since = Infinity;
  let awaited = new Set<Writer>();
  let all = Promise.withResolvers<void>();
  const load: Load = {
    requests: 0,
    acknowledged: new Set(),
    refused: 0,
    broken: 0,
    wrong: [],
    async recovered() {
      awaited = new Set(writers);
      all = Promise.withResolvers();
      since = performance.now();
      await soon(all.promise);
      return performance.now() - since;
    },
    async stop() {
      stopping = true;
      await Promise.all(working);
    },
  };

  /** One request; undefined where the answer is a refusal that is allowed. */
  async function request(writer: Writer, path: string, init: RequestInit = {}) {
    load.requests++;
    const started = performance.now();
    const headers = { ...init.headers, authorization: `Bearer ${writer.token}` };
    let response: Response;
    let text: string;
    try {
      const signal = AbortSignal.timeout(120_000);
      response = await fetch(url + path, { ...init, headers, signal });
      text = await response.text();
    } catch (error) {
      load.broken++;
      if (!breakable) load.wrong.push(`${path}: ${(error as Error).message}`);
      return;
    }
    if (response.ok) {
      if (started >= since && awaited.delete(writer) && awaited.size === 0) all.resolve();
      return JSON.parse(text);
    }
    load.refused++;
    const refusal = [503, 504].includes(response.status) && response.headers.has("retry-after");
    if (!refusal) load.wrong.push(`${path}: ${response.status} ${text}`);
  }

  async function work(writer: Writer) {
    while (!stopping) {
      const key = crypto.randomUUID();
      const description = `${writer.name}: ${key}`;
      const init = {
        method: "POST",
        body: JSON.stringify({ description }),
        headers: { "content-type": "application/json", "idempotency-key": key },
      };
      let todo;
      // Half of the clients give up at some time: what they sent may be there or not, as a whole.
      do todo = await request(writer, "/api/todos", init); while (
        !todo && !stopping && await pause(25).then(() => Math.random() < 0.8)
      );
      if (!todo) continue;
      load.acknowledged.add(description);
      if (todo.description !== description) load.wrong.push(`201 of another row: ${todo.id}`);
      const read = await request(writer, `/api/todos/${todo.id}`);
      if (read && read.description !== description) load.wrong.push(`another row: ${todo.id}`);
      const page = await request(writer, "/api/todos?limit=5&sort=-id");
      for (const { description } of page?.data ?? []) {
        if (!description.startsWith(`${writer.name}: `)) load.wrong.push("another user's row");
      }
      await pause(25);
    }
  }
  const working = writers.map(work);
  return load;
}

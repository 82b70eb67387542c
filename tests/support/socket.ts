import type { TestApi } from "./api.ts";
import { until } from "./pool.ts";

/** The API behind a real listener on the loopback. */
export function listen(app: TestApi["app"]) {
  let begun = 0;
  const { get } = Object.getOwnPropertyDescriptor(Request.prototype, "body")!;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request, info) => {
      const body = () => {
        begun++;
        return get!.call(request);
      };
      Object.defineProperty(request, "body", { get: body });
      return app.fetch(request, info);
    },
  );
  return {
    /** Waits until so many bodies have begun to be read. */
    reads: (bodies: number) => until(() => begun === bodies),
    port: server.addr.port,
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** A connection on which a test says byte by byte what it wants to say. */
export async function dial(port: number) {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65_536);
  return {
    async write(text: string) {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    },
    /** All that comes until the server closes. */
    async rest(): Promise<string> {
      let text = "";
      for (let n; (n = await connection.read(buffer)) !== null;) {
        text += decoder.decode(buffer.subarray(0, n), { stream: true });
      }
      return text;
    },
    /** What comes until the text is complete. */
    async until(end: string): Promise<string> {
      let text = "";
      for (let n; !text.includes(end) && (n = await connection.read(buffer)) !== null;) {
        text += decoder.decode(buffer.subarray(0, n), { stream: true });
      }
      return text;
    },
    [Symbol.dispose]: () => connection.close(),
  };
}

/**
 * Stops the clock that performance.now() reads, until disposed. It goes on only as far as a test says,
 * however long the machine takes.
 */
export function stopClock() {
  const real = performance.now;
  // Whole, so that what is added is what passed: 30 seconds in five steps would else be 29.999… at times.
  let time = Math.ceil(real.call(performance));
  performance.now = () => time;
  return {
    by: (milliseconds: number) => void (time += milliseconds),
    /** Moves it on, step by step, until that has come. Gives up after a minute. */
    async until<Value>(coming: Promise<Value>, step: number): Promise<Value> {
      let come = false;
      coming.then(() => come = true, () => come = true);
      await until(() => {
        time += step;
        return come;
      });
      return await coming;
    },
    [Symbol.dispose]: () => void (performance.now = real),
  };
}

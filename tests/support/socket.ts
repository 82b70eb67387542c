import type { TestApi } from "./api.ts";

/** The API behind a real listener on the loopback. */
export function listen(app: TestApi["app"]) {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request, info) => app.fetch(request, info),
  );
  return {
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
 * Sets the clock that performance.now() reads ahead, by what `by` adds, until disposed. One that stands
 * is for what has to happen in less than a time, however slow the machine is.
 */
export function clockAhead({ stands = false } = {}) {
  const real = performance.now;
  const start = real.call(performance);
  let offset = 0;
  performance.now = () => (stands ? start : real.call(performance)) + offset;
  return {
    by: (milliseconds: number) => void (offset += milliseconds),
    [Symbol.dispose]: () => void (performance.now = real),
  };
}

import type { Context } from "hono";
import { tooMany } from "./_problem.ts";

/** Bytes that are handed over at once. */
const piece = 64 * 1024;

/** Long answers under way at most, whoever asks for them. */
const most = 64;
let underWay = 0;

/**
 * Sends what is long piece by piece, each when the one before has been taken: a whole answer would
 * lie in memory once for each caller that asks and does not read. Throws 429 when there are too many.
 */
export function download(c: Context, bytes: Uint8Array<ArrayBuffer>, headers: HeadersInit) {
  const given = new Headers(headers);
  given.set("content-length", String(bytes.length));
  if (c.req.method === "HEAD") return new Response(null, { headers: given });
  if (underWay >= most) throw tooMany("Too many downloads are under way.", 1);
  underWay++;
  let at = 0;
  const end = () => {
    if (at === Infinity) return;
    at = Infinity;
    underWay--;
  };
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      controller.enqueue(bytes.subarray(at, at + piece));
      at += piece;
      const last = at >= bytes.length;
      c.env?.took?.(last);
      if (!last) return;
      controller.close();
      end();
    },
    cancel: end,
  }, { highWaterMark: 0 });
  return new Response(body, { headers: given });
}

import type { Context } from "hono";
import { tooMany } from "./_problem.ts";

/** The bytes of a piece. */
const piece = 64 * 1024;

/** The most downloads at a time, of all callers together. */
const most = 64;
let running = 0;

/**
 * Sends a long answer piece by piece, each when the one before has been read: otherwise a whole
 * answer would stay in memory for each caller that does not read. Throws 429 when too many run.
 */
export function download(c: Context, bytes: Uint8Array<ArrayBuffer>, headers: HeadersInit) {
  const given = new Headers(headers);
  given.set("content-length", String(bytes.length));
  if (c.req.method === "HEAD") return new Response(null, { headers: given });
  if (running >= most) throw tooMany("Too many downloads are running.", 1);
  running++;
  return new Response(inPieces(c, bytes, () => running--), { headers: given });
}

/**
 * JSON as a body. A long one goes piece by piece, and its caller's place is taken until it is read:
 * `sent` in the context says when. Nobody can have many of them in memory by not reading.
 */
export function jsonBytes(c: Context, json: string): BodyInit {
  if (json.length <= piece || c.req.method === "HEAD") return json;
  const { promise, resolve } = Promise.withResolvers<void>();
  c.set("sent", promise);
  return inPieces(c, new TextEncoder().encode(json), resolve);
}

/** Calls `end` when all of it has been taken, or nobody wants the rest. */
function inPieces(c: Context, bytes: Uint8Array<ArrayBuffer>, end: () => void) {
  let at = 0;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      controller.enqueue(bytes.subarray(at, at + piece));
      at += piece;
      const last = at >= bytes.length;
      c.env?.pieceRead?.(last);
      if (!last) return;
      controller.close();
      end();
    },
    cancel: end,
  }, { highWaterMark: 0 });
}

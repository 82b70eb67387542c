import type { Context } from "hono";
import { retryLater } from "./_problem.ts";

/** Answers of more bytes go piece by piece. */
const long = 64 * 1024;

/** The bytes of a piece. Deno asks for two of them ahead of the one that the peer takes. */
const piece = 32 * 1024;

/** The most downloads at a time, of all callers together. */
const most = 64;

/** One that nobody has read from for so long, in milliseconds, makes room for another. */
const stalledMs = 1000;

interface Download {
  /** When its last piece was taken. */
  since: number;
  stop(): void;
}

/** Those that are being read; the one whose last piece was taken longest ago comes first. */
class Downloads extends Set<Download> {
  /** Ends those that nobody reads, as long as there is no room. Throws 429 where all are read. */
  makeRoom(isFull: () => boolean) {
    for (const { since, stop } of this) {
      if (!isFull()) return;
      if (performance.now() - since < stalledMs) {
        throw retryLater("rate_limited", "Too many downloads are running.", 1);
      }
      stop();
    }
  }

  /** A piece of it has been taken: it comes last. */
  taken(one: Download) {
    this.delete(one);
    one.since = performance.now();
    this.add(one);
  }
}

const running = new Downloads();

/**
 * Sends a long answer piece by piece, each when the one before has been read: otherwise a whole
 * answer would stay in memory for each caller that does not read. Throws 429 when too many run, all
 * of which are being read.
 */
export function download(c: Context, bytes: Uint8Array<ArrayBuffer>, headers: HeadersInit) {
  const given = new Headers(headers);
  given.set("content-length", String(bytes.length));
  if (c.req.method === "HEAD") return new Response(null, { headers: given });
  running.makeRoom(() => running.size >= most);
  return new Response(inPieces(c, bytes, running), { headers: given });
}

/** The bytes of long answers that each caller has yet to read. */
const unread = new Map<string, number>();
const mostUnread = 8 * 1024 * 1024;

/** The same of all callers together: who has many accounts has not many times the memory. */
let unreadOfAll = 0;
const mostUnreadOfAll = 8 * mostUnread;
const answers = new Downloads();

/** Throws 429 for a caller who does not read what was asked for: it is kept in memory. */
export function refuseUnread(caller: string) {
  if ((unread.get(caller) ?? 0) < mostUnread) return;
  throw retryLater("rate_limited", "Read the long answers that you have asked for first.", 1);
}

/**
 * JSON as a body. A long one goes piece by piece, and its caller's place is taken until it is read:
 * `sent` in the context says when. Throws 429 for a read where its caller, or all of them, have too
 * much unread by now; a write is done, and is answered.
 */
export function jsonBytes(c: Context, json: string): BodyInit {
  if (json.length <= long || c.req.method === "HEAD") return json;
  const caller = c.get("callerId");
  const bytes = new TextEncoder().encode(json);
  if (c.req.method === "GET") {
    refuseUnread(caller);
    answers.makeRoom(() => unreadOfAll + bytes.length > mostUnreadOfAll);
  }
  unreadOfAll += bytes.length;
  unread.set(caller, (unread.get(caller) ?? 0) + bytes.length);
  const { promise, resolve } = Promise.withResolvers<void>();
  c.set("sent", promise);
  return inPieces(c, bytes, answers, () => {
    unreadOfAll -= bytes.length;
    const left = unread.get(caller)! - bytes.length;
    if (left > 0) unread.set(caller, left);
    else unread.delete(caller);
    resolve();
  });
}

/** `onEnd` is called once: when all has been taken, or nobody wants the rest. */
function inPieces(
  c: Context,
  bytes: Uint8Array<ArrayBuffer>,
  downloads: Downloads,
  onEnd = () => {},
) {
  const one: Download = { since: 0, stop };
  let at = 0;
  let controller: ReadableStreamDefaultController;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (given) => void (controller = given),
    pull(controller) {
      // Not with the last piece, which is yet to be taken then: many a short answer is so far at once.
      const last = at >= bytes.length;
      c.env?.pieceRead?.(last);
      if (last) {
        controller.close();
        return end();
      }
      controller.enqueue(bytes.subarray(at, at + piece));
      at += piece;
      downloads.taken(one);
    },
    cancel: end,
  }, { highWaterMark: 0 });
  function stop() {
    if (c.env?.close) c.env.close();
    else controller.error(new Error("nobody reads it"));
    end();
  }
  function end() {
    if (downloads.delete(one)) onEnd();
  }
  downloads.taken(one);
  return stream;
}

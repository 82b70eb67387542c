import { Buffer } from "node:buffer";
import type { Context } from "hono";
import { Problem } from "./_problem.ts";
import type { Step } from "./_step.ts";

/** In bytes. A todo's description of 10,000 characters has at most 40,000 in UTF-8. */
const bodyLimit = 64 * 1024;

/** How long a body may bring nothing, and take in all: a byte now and then is no progress. */
const stallMs = 10_000;
const arrivalMs = 30_000;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads and parses the JSON body before it is validated. Hono's own reader knows no limits, takes any
 * charset and answers errors as text. `optional` admits a request without a body, which counts as
 * `{}`. Leaves the value in `c.get("json")`, and the bytes, whose digest an idempotency key needs, in
 * `c.get("body")`. Throws 400, 408, 413 or 415.
 */
export function jsonBody({ types = ["application/json"], optional = false } = {}): Step {
  return async (c, next) => {
    const type = c.req.header("content-type");
    if (c.req.header("content-encoding")) {
      throw new Problem("unsupported_media_type", "Send the body without a Content-Encoding.");
    }
    if (type === undefined ? !optional : !accepted(type, types)) {
      throw new Problem("unsupported_media_type", `Send ${types.join(" or ")} in UTF-8.`);
    }
    // A handler that is run again finds it read.
    const bytes = c.get("body") ?? await readAll(c);
    if (type === undefined && bytes.length > 0) {
      throw new Problem("unsupported_media_type", `Send ${types.join(" or ")} in UTF-8.`);
    }
    c.set("body", bytes);
    c.set("json", bytes.length === 0 && optional ? {} : parse(bytes));
    return next(c);
  };
}

/** RFC 9110, section 8.3.1: a value in quotes may contain a semicolon, and no blank is around a `=`. */
const token = "[\\w!#$%&'*+.^`|~-]+";
const value = String.raw`(?:${token}|"(?:[^"\\]|\\.)*")`;
const mediaType = new RegExp(
  String.raw`^(${token}/${token})((?:[ \t]*;(?:[ \t]*${token}=${value})?)*)[ \t]*$`,
);
const eachParameter = new RegExp(`(${token})=(${value})`, "g");

function accepted(header: string, types: string[]): boolean {
  const [, type, parameters] = mediaType.exec(header) ?? [];
  if (type === undefined || !types.includes(type.toLowerCase())) return false;
  return Array.from(parameters!.matchAll(eachParameter)).every(([, name, value]) =>
    name!.toLowerCase() !== "charset" ||
    value!.replace(/^"|"$|\\(?=.)/g, "").toLowerCase() === "utf-8"
  );
}

function parse(bytes: Uint8Array): unknown {
  let text;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new Problem("malformed_request", "The body is not UTF-8.");
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message repeats what was sent.
    throw new Problem("malformed_json", "The body could not be parsed.");
  }
}

/** The bodies that are being read. One timer checks them all: one each would cost more than reading. */
const arriving = new Set<{ check(): void }>();
let timer: ReturnType<typeof setInterval> | undefined;

function watch(body: { check(): void }) {
  arriving.add(body);
  timer ??= setInterval(() => arriving.forEach((body) => body.check()), 1000);
}

function unwatch(body: { check(): void }) {
  arriving.delete(body);
  if (arriving.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}

/**
 * Never holds more than the limit, whatever Content-Length says or does not say. What is left of a
 * refused body is not cancelled: Deno would then take all of it, while an abandoned one stops the
 * sender and ends the connection.
 */
async function readAll(c: Context): Promise<Uint8Array> {
  if (Number(c.req.header("content-length")) > bodyLimit) throw tooLarge();
  const stream = c.req.raw.body;
  if (!stream) return new Uint8Array();
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const stalled = Promise.withResolvers<never>();
  stalled.promise.catch(() => {});
  const start = performance.now();
  let last = start;
  const body = {
    check() {
      const now = performance.now();
      if (now - last < stallMs && now - start < arrivalMs) return;
      const detail = `A body may pause for ${stallMs / 1000} seconds and take ${
        arrivalMs / 1000
      } in all.`;
      stalled.reject(new Problem("request_timeout", detail, { headers: { connection: "close" } }));
    },
  };
  watch(body);
  try {
    while (true) {
      const { done, value } = await Promise.race([reader.read(), stalled.promise]);
      if (done) break;
      last = performance.now();
      length += value.length;
      if (length > bodyLimit) throw tooLarge();
      chunks.push(value);
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem("malformed_request", "The body broke off.");
  } finally {
    unwatch(body);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length);
}

function tooLarge(): Problem {
  return new Problem("payload_too_large", `A body may have ${bodyLimit} bytes.`, {
    headers: { connection: "close" },
  });
}

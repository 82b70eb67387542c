import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { DatabaseError } from "../postgres/mod.ts";
import type { Outcome } from "./_metrics.ts";
import { Problem, problemResponse } from "./_problem.ts";
import type { Variables } from "./_step.ts";

/** A name or an address, with or without a port. */
const hostForm = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/;

/** The Host of the last request, if it was one: nearly always it is the same one again. */
let lastHost: string | undefined;

function isHost(name: string): boolean {
  if (name === lastHost) return true;
  // The form alone allows the port 99999 and the address 999.1.1.1, of which no URL can be made.
  const is = hostForm.test(name) && URL.canParse(`http://${name}/`);
  if (is) lastHost = name;
  return is;
}

/**
 * Whether the path that Hono routes by is that of the request line. Deno builds the URL from the Host
 * header and the request line, so `Host: x/api/me#` would change the path. A request that came over
 * no network has no Host.
 */
function isOnItsPath(c: Context): boolean {
  const name = c.req.header("host");
  if (name === undefined) return c.env?.remoteAddr === undefined;
  const { url } = c.req;
  return isHost(name) && url.startsWith(`//${name}/`, url.indexOf(":") + 1);
}

/**
 * What stops a request before anything of it is looked at. Deno takes `chunked` off a body, and hands
 * on what is beneath as if it were the body (RFC 9112, section 6.1).
 */
function malformed(c: Context): string | undefined {
  if (!isOnItsPath(c)) return "Host must be host[:port].";
  const coding = c.req.header("transfer-encoding");
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    return "The only transfer coding that is understood is chunked.";
  }
}

/**
 * The outermost middleware: gives the request its id, refuses one that is malformed, writes one
 * line of JSON when it is answered, and sets the headers of every answer. No body, key or email is
 * ever in a line.
 */
export function requestLog(
  log: (line: string) => void,
  measure?: (outcome: Outcome) => void,
): MiddlewareHandler<{ Variables: Variables }> {
  return async (c, next) => {
    const start = performance.now();
    const given = c.req.header("x-request-id");
    // A sane id of the caller's or its proxy's is kept; anything else could forge a log line.
    const requestId = given && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : crypto.randomUUID();
    c.set("requestId", requestId);
    const fault = malformed(c);
    if (!fault) await next();
    else c.res = problemResponse(c, new Problem("malformed_request", fault));
    const { headers, status } = c.res;
    headers.set("x-request-id", requestId);
    headers.set("x-content-type-options", "nosniff");
    // An answer to a key is for its caller alone, also after the key is revoked.
    const keyed = c.get("credential") ?? c.req.header("authorization");
    if (keyed || status === 401) headers.set("cache-control", "no-store");
    // The pattern, never the path itself. There is none where only a middleware matched.
    const pattern = routePath(c, -1);
    const route = pattern.endsWith("*") ? undefined : pattern;
    const { method } = c.req;
    const ms = performance.now() - start;
    measure?.({ method, route, status, ms, problem: c.get("problem") });
    const line: Record<string, unknown> = {
      time: new Date().toISOString(),
      level: status >= 500 ? "error" : "info",
      request_id: requestId,
      method,
      route,
      status,
      ms: Math.round(ms * 100) / 100,
      caller_id: c.get("callerId"),
    };
    if (status >= 500 && c.error) line.error = describe(c.error);
    log(JSON.stringify(line));
  };
}

/** What happened, without the values that PostgreSQL puts into the messages of classes 22 and 23. */
function describe(error: Error): string {
  if (error instanceof DatabaseError) {
    const { code, constraint, fields } = error;
    const place = [fields.table_name, fields.column_name].filter(Boolean).join(".");
    const message = /^2[23]/.test(code) ? "" : error.message;
    return [`SQLSTATE ${code}`, constraint, place && `on ${place}`, message]
      .filter(Boolean).join(" ");
  }
  // The stack of an error that nobody foresaw is what it takes to mend it.
  return error.name === "Error" || error instanceof TypeError
    ? `${error.stack}`
    : `${error.name}: ${error.message}`;
}

/**
 * Collects lines and writes them together: a write to a pipe costs more than many a request. Lines
 * wait no longer than until the event loop turns. `flush` writes what is left.
 */
export function lineWriter(file: { writeSync(bytes: Uint8Array): number }) {
  const encoder = new TextEncoder();
  let lines: string[] = [];
  let scheduled = false;
  function flush() {
    scheduled = false;
    if (lines.length === 0) return;
    let bytes = encoder.encode(lines.join("\n") + "\n");
    lines = [];
    while (bytes.length > 0) bytes = bytes.subarray(file.writeSync(bytes));
  }
  return {
    write(line: string) {
      lines.push(line);
      if (scheduled) return;
      scheduled = true;
      setTimeout(flush, 0);
    },
    flush,
  };
}

import type { Context, TypedResponse } from "hono";
import { digest } from "../db/_secret.ts";
import type { Created, Idempotency } from "../db/_idempotency.ts";
import type { Changed, Found, Versions, Written } from "../db/_row.ts";
import { permit } from "./_auth.ts";
import { jsonBytes } from "./_download.ts";
import type { Variables } from "./_step.ts";
import { malformedHeader, Problem } from "./_problem.ts";

type Ctx = Context<{ Variables: Variables }>;

/**
 * Sends JSON that PostgreSQL built, unparsed. Typed as whatever the route declares for the status:
 * the tests check each answer against the document.
 */
export function passThrough<Status extends 200 | 201>(
  c: Ctx,
  json: string,
  status: Status,
  headers: Record<string, string> = {},
) {
  const response: unknown = new Response(jsonBytes(c, json), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
  // deno-lint-ignore no-explicit-any -- stands for the schema that the route declares
  return response as Response & TypedResponse<any, Status, "json">;
}

/** GET of one row: 200 with its ETag, or 304 where the caller has this version. Throws 401, 403 or 404. */
export function itemReply(c: Ctx, rows: Found[]) {
  const { body, version } = permit(c, rows);
  if (body === null) throw absent();
  const etag = `"${version}"`;
  const known = c.req.header("if-none-match");
  if (known !== undefined && matchesAny(known, etag)) {
    return c.body(null, 304, { etag }) as Response & TypedResponse<null, 304, "body">;
  }
  return passThrough(c, body, 200, { etag });
}

/**
 * POST: 201 with the new row, or with the remembered answer of the same request. `complete` adds to
 * the body what PostgreSQL does not know. Throws 401, 403, 404, or 422 for a reused key.
 */
export function createdReply(
  c: Ctx,
  rows: Created[],
  location: string,
  complete = (body: string, _id: string, _replayed: boolean) => body,
) {
  const row = permit(c, rows);
  const { body, id, version, replayed } = row;
  refuseReused(row);
  if (body === null || id === null) throw absent();
  return passThrough(c, complete(body, id, replayed), 201, {
    location: `${location}/${id}`,
    etag: `"${version}"`,
    ...(replayed && { "idempotent-replayed": "true" }),
    ...writtenHeader(row),
  });
}

/** Throws 422 where the idempotency key belongs to a request with another body. */
export function refuseReused({ reused }: Created) {
  if (reused) {
    throw new Problem("idempotency_key_reused", "This key was sent before, with another body.", {
      errors: [{
        parameter: "Idempotency-Key",
        code: "reused",
        detail: "belongs to a request with another body",
      }],
    });
  }
}

/** PATCH: 200 with the whole row. Throws 401, 403, 404 or 412. */
export function changedReply(c: Ctx, rows: Changed[]) {
  const row = changed(c, rows);
  return passThrough(c, row.body!, 200, { etag: `"${row.version}"`, ...writtenHeader(row) });
}

/** DELETE: 204. Throws 401, 403, 404 or 412. */
export function deletedReply(c: Ctx, rows: Changed[]) {
  return c.body(null, 204, writtenHeader(changed(c, rows)));
}

/** The number of a write. A read that sends it is not answered by a replica without that write. */
export function writtenHeader({ written }: Written): Record<string, string> {
  return written === null ? {} : { "slate-written": written };
}

function changed(c: Ctx, rows: Changed[]): Changed {
  const row = permit(c, rows);
  if (!row.present) throw absent();
  if (row.version === null) {
    // Without a precondition: somebody deleted the row while it was being changed.
    if (precondition(c) === undefined) throw absent();
    throw new Problem("precondition_failed", "Get the row again, and decide again.");
  }
  return row;
}

/** The same for a row that is absent and one that is another user's. */
export function absent(): Problem {
  return new Problem("not_found", "There is no such row among yours.");
}

/** RFC 9110, sections 5.6.1 and 8.8.3: a tag may contain a comma, and a list empty elements. */
const entityTag = String.raw`(W/)?"[\x21\x23-\x7e\x80-\xff]*"`;
const eachTag = new RegExp(entityTag, "g");
/** A header that names ETags, or any by `*`. Takes linear time, also where a client runs it. */
export const entityTags = String
  .raw`^(\*|([ \t]*,)*[ \t]*${entityTag}[ \t]*(,[ \t]*(${entityTag}[ \t]*)?)*)$`;
const wholeHeader = new RegExp(entityTags);

/** RFC 9110, section 13.1.2: weak comparison. */
function matchesAny(header: string, etag: string): boolean {
  return tagsOf(header, "If-None-Match").some((tag) =>
    tag === "*" || tag.replace(/^W\//, "") === etag
  );
}

/**
 * The versions that the preconditions of a change allow; undefined without one. `If-None-Match: *`
 * wants the row not to be there, so it allows none. With tags it has no use on a change and is refused
 * rather than ignored: throws 400.
 */
export function precondition(c: Ctx): Versions | undefined {
  const wanted = ifMatch(c);
  const unwanted = c.req.header("if-none-match");
  if (unwanted === undefined) return wanted;
  if (unwanted === "*") return [];
  throw malformedHeader("If-None-Match", "must be `*` on a change");
}

/**
 * The versions that an If-Match header allows. RFC 9110, section 13.1.1: strong comparison, so a
 * weak tag matches nothing, and neither does one that is not ours.
 */
function ifMatch(c: Ctx): Versions | undefined {
  const header = c.req.header("if-match");
  if (header === undefined) return undefined;
  const tags = tagsOf(header, "If-Match");
  if (tags.includes("*")) return "*";
  return tags.flatMap((tag) => /^"([1-9]\d{0,17})"$/.exec(tag)?.[1] ?? []);
}

function tagsOf(header: string, name: string): string[] {
  if (wholeHeader.test(header)) return header.match(eachTag) ?? ["*"];
  throw malformedHeader(name, 'must be `*` or ETags such as "7"');
}

/** The request's idempotency key, with the digest of its body. Throws 400 for a malformed key. */
export function idempotency(c: Ctx, operation: string): Idempotency | undefined {
  const key = c.req.header("idempotency-key");
  if (key === undefined) return undefined;
  if (/^[\x21-\x7e]{1,255}$/.test(key)) {
    return { operation, key, hash: digest(c.get("body") ?? "") };
  }
  throw malformedHeader("Idempotency-Key", "must have 1 to 255 visible ASCII characters");
}

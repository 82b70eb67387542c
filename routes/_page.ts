import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { digest } from "../db/_secret.ts";
import type { After, Page, PageRequest, SortKey } from "../db/_page.ts";
import { permit } from "./_auth.ts";
import { Problem } from "./_problem.ts";
import { absent, passThrough } from "./_reply.ts";
import type { Variables } from "./_step.ts";

const cursorPattern = /^[A-Za-z0-9_-]{1,2000}$/;

/** The parameters of every list; `sorts` are what it can be sorted by, the default first. */
export function pageQuery(sorts: Record<string, SortKey>) {
  const names = Object.keys(sorts).flatMap((name) => [name, `-${name}`]);
  return {
    limit: z.string()
      .regex(/^([1-9]\d?|100)$/, "must be a whole number from 1 to 100")
      .optional()
      .openapi({
        type: "integer",
        minimum: 1,
        maximum: 100,
        default: 20,
        description: "How many rows a page has at most.",
      }),
    cursor: z.string().optional()
      .openapi({
        pattern: cursorPattern.source,
        description: "`next_cursor` of the previous page, sent with the same sort and filters.",
      }),
    sort: z.enum(names as [string, ...string[]]).optional()
      .openapi({
        description: "A `-` in front sorts in descending order. Empty values come last.",
        default: names[0],
      } as object),
  };
}

interface PageQuery {
  limit?: string;
  cursor?: string;
  sort?: string;
}

/** What a row shows beside its own fields: no filter, so a cursor is good with it and without. */
interface Shown {
  include?: string;
}

/**
 * Reads the parameters of a page. The cursor has the position of the last row, and a digest of the
 * path, sort and filters that it belongs to. It is opaque, not secret: a made-up one only starts
 * somewhere else among the caller's own rows. Throws 400 for one that is malformed or of another list.
 */
export function pageRequest<Sort extends string, Query extends PageQuery = PageQuery>(
  path: string,
  query: Query,
  sorts: Record<Sort, SortKey>,
) {
  const { limit = "20", cursor, sort = Object.keys(sorts)[0]!, ...filter } = query;
  const descending = sort.startsWith("-");
  const name = (descending ? sort.slice(1) : sort) as Sort;
  const { include: _, ...conditions }: Shown = filter;
  const context = digest(JSON.stringify([path, sort, ...Object.entries(conditions).sort()]))
    .slice(0, 32);
  const after = cursor === undefined ? undefined : decode(cursor, context, sorts[name]);
  const request: PageRequest<Sort> = { sort: name, descending, after, limit: Number(limit) };
  // `list` is what the next cursor belongs to, for pageReply().
  return { request, filter, list: { query, context } };
}

/** Answers a page, with the Link to the next one. Throws 401, 403, and 404 where it is not `present`. */
export function pageReply(
  c: Context<{ Variables: Variables }>,
  rows: (Page & { present?: boolean })[],
  { query, context }: { query: PageQuery; context: string },
) {
  const page = permit(c, rows);
  if (page.present === false) throw absent();
  const cursor = page.last_id === null
    ? null
    : encodeCursor([context, page.last_id, page.last_value]);
  const headers: Record<string, string> = {};
  if (cursor !== null) {
    // A URL object would take 3 of 100 parts of a page's time.
    const next = Object.entries({ ...query, cursor })
      .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    headers.link = `<${c.req.path}?${next.join("&")}>; rel="next"`;
  }
  const json = `{"data":${page.data},"next_cursor":${JSON.stringify(cursor)}}`;
  return passThrough(c, json, 200, headers);
}

/** An opaque cursor that holds these values. */
export function encodeCursor(parts: unknown[]): string {
  return new TextEncoder().encode(JSON.stringify(parts))
    .toBase64({ alphabet: "base64url", omitPadding: true });
}

/** What a cursor holds; nothing where it is none. */
export function decodeCursor(cursor: string): unknown[] {
  try {
    if (!cursorPattern.test(cursor)) return [];
    const bytes = Uint8Array.fromBase64(cursor, { alphabet: "base64url" });
    const parts = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}

export function invalidCursor(detail: string): Problem {
  return new Problem("invalid_cursor", detail, {
    errors: [{ parameter: "cursor", code: "invalid_cursor", detail: "is not one of this list" }],
  });
}

function decode(cursor: string, context: string, sort: SortKey): After {
  const parts = decodeCursor(cursor);
  const [of, id, value] = parts;
  const good = parts.length === 3 && of === context &&
    typeof id === "string" && /^[1-9]\d{0,18}$/.test(id) && BigInt(id) < 2n ** 63n &&
    sort.accepts(value);
  if (good) return { id, value: value as string | null };
  throw invalidCursor("Take `next_cursor` of this list, sort and filters.");
}

import type { Context } from "hono";
import { parseAccept } from "hono/utils/accept";
import { Problem } from "./_problem.ts";

/**
 * Refuses a request whose Accept header allows none of `types` (406), and one whose URL does not
 * decode (400). Works as a step of one operation and as Hono's middleware for many.
 */
export function negotiate(types: string[]) {
  return <Answer>(c: Context, next: (c: Context) => Answer): Answer => {
    const accept = c.req.header("accept");
    if (accept !== undefined && accept !== "*/*" && !accepts(accept, types)) {
      throw new Problem("not_acceptable", `Accept ${types.join(" or ")}.`);
    }
    // Hono would hand on what does not decode as it is.
    if (c.req.url.includes("%") && !decodes(c.req.url)) {
      throw new Problem("malformed_request", "The URL is not UTF-8 in percent-encoding.");
    }
    return next(c);
  };
}

/** RFC 9110, section 12.5.1: the most specific range that matches a type decides. */
function accepts(header: string, types: string[]): boolean {
  const ranges = parseAccept(header.toLowerCase());
  return types.some((type) => {
    const names = [type, `${type.split("/")[0]}/*`, "*/*"];
    const best = names.map((name) => ranges.find((range) => range.type === name)).find(Boolean);
    return best !== undefined && best.q > 0;
  });
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

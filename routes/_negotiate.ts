import type { Context } from "hono";
import { Problem } from "./_problem.ts";

/**
 * Refuses a request whose answer its sender could not read, or whose address is not text. `types`
 * are what can be answered with. A step of one operation, or Hono's middleware for many.
 */
export function negotiate(types: string[]) {
  return <Answer>(c: Context, next: (c: Context) => Answer): Answer => {
    const accept = c.req.header("accept");
    if (accept !== undefined && accept !== "*/*" && !accepts(accept, types)) {
      throw new Problem("not_acceptable", `Accept ${types.join(" or ")}.`);
    }
    // Hono hands on what does not decode as it is.
    if (c.req.url.includes("%") && !decodes(c.req.url)) {
      throw new Problem("malformed_request", "The address is not UTF-8 in percent-encoding.");
    }
    return next(c);
  };
}

/** RFC 9110, section 12.5.1: the most specific range that matches a type decides. */
function accepts(header: string, types: string[]): boolean {
  const ranges = header.split(",").map((part) => {
    const [range, ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    const quality = parameters.find((text) => text.startsWith("q="))?.slice(2) ?? "1";
    return { range: range!, quality: Number(quality) };
  });
  return types.some((type) => {
    const wildcards = [type, `${type.split("/")[0]}/*`, "*/*"];
    const best = wildcards.map((name) => ranges.find(({ range }) => range === name)).find(Boolean);
    return best !== undefined && best.quality > 0;
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

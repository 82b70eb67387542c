import type { Context } from "hono";
import { parseKey } from "../db/_secret.ts";
import { isLocal } from "../postgres/settings.ts";
import { Problem } from "./_problem.ts";

/**
 * The key by which `deno task dev` lets in a request that brings none. Only under a name of this
 * machine: a web page can make its own name point here (DNS rebinding). Throws 403.
 */
export function devKeyFor(c: Context, devKey: string, corsOrigins: string[]): string | undefined {
  const { host, hostname } = new URL(c.req.url);
  if (!isLocal(hostname.replace(/^\[|\]$/g, ""))) return undefined;
  refuseForeignPage(c, host, corsOrigins);
  return devKey;
}

/**
 * Without a key the browser's word counts on whose page asks: any page of the web can send a request
 * to this machine, also where it may not read the answer. Throws 403.
 */
function refuseForeignPage(c: Context, host: string, corsOrigins: string[]) {
  const origin = c.req.header("origin");
  const site = c.req.header("sec-fetch-site") ?? "none";
  const own = (origin === undefined || origin === `http://${host}`) &&
      (site === "none" || site === "same-origin") ||
    origin !== undefined && corsOrigins.includes(origin);
  if (!own) throw new Problem("forbidden", "A page of another origin needs an API key here.");
}

/**
 * Throws 403 for the id of the key by which dev lets in those who have none, or of its user: without
 * it every request would be refused until the next start.
 */
export function keepDevKey(
  { devKey, environment }: { devKey?: string; environment: string },
  part: "keyId" | "ownerId",
  id: string,
) {
  if (!devKey || parseKey(devKey, environment)?.[part] !== id) return;
  const detail = "Requests without a key need it while `deno task dev` runs.";
  throw new Problem("forbidden", detail);
}

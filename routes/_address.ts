import { isIP } from "node:net";
import type { Context } from "hono";

/**
 * The address of the caller. Of the header that our own proxy adds to, only the last element was
 * written by the proxy. IPv6 addresses count by their /64, which is what one customer has. Undefined
 * where there is no network in between.
 */
export function addressOf(c: Context, trustedProxyHeader: string | undefined): string | undefined {
  const connection: { remoteAddr?: { hostname?: string } } | undefined = c.env;
  const given = trustedProxyHeader && c.req.header(trustedProxyHeader);
  const last = given && lastOf(given);
  // A proxy may say `unknown`, or a name that is another one each time: then it is itself the caller.
  const address = last && isIP(last) ? last : connection?.remoteAddr?.hostname;
  return address?.includes(":") ? networkOf(address) : address;
}

/**
 * Without the port, which some proxies add, and which differs for each connection. The header
 * `Forwarded` (RFC 7239) has more in an element than the address, as `for="[2001:db8::1]:4711";proto=https`.
 */
function lastOf(header: string): string {
  const element = header.split(",").at(-1)!.trim();
  const last = /(?:^|;)[ \t]*for=("?)([^";]*)\1/i.exec(element)?.[2] ?? element;
  return /^\[([^\]]*)\](?::\d+)?$/.exec(last)?.[1] ?? /^([\d.]+):\d+$/.exec(last)?.[1] ?? last;
}

function networkOf(address: string): string {
  // A URL has each address in one way: an IPv4 address within it in hexadecimal.
  const one = new URL(`http://[${address.split("%")[0]}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(one);
  if (mapped) {
    const halves = mapped.slice(1).map((half) => parseInt(half, 16));
    return halves.flatMap((half) => [half >> 8, half & 255]).join(".");
  }
  const [head = "", tail] = one.split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail ? tail.split(":") : [];
  while (tail !== undefined && groups.length + rest.length < 8) groups.push("0");
  return [...groups, ...rest].slice(0, 4).map((group) => group.padStart(4, "0")).join(":");
}

/** Whose request it is behind a proxy: the address in its header, however the proxy writes it. */
import { assertEquals } from "@std/assert";
import { Hono } from "hono";
import { addressOf } from "../../routes/_address.ts";

const proxy = "192.0.2.1";

/** The address that a proxy's header gives. */
async function addressIn(name: string, value: string): Promise<string> {
  const app = new Hono().get("/", (c) => c.text(addressOf(c, name) ?? "none"));
  const headers = { [name]: value };
  return await (await app.request("/", { headers }, { remoteAddr: { hostname: proxy } })).text();
}

Deno.test("an address in a forwarded header is the same in each way of writing it [36]", async () => {
  const v4 = [
    "198.51.100.1",
    "198.51.100.1:4711",
    "::ffff:198.51.100.1",
    "::FFFF:c633:6401",
    "0:0:0:0:0:ffff:198.51.100.1",
    "[::ffff:198.51.100.1]:4711",
    "203.0.113.9, 198.51.100.1:4711",
    "for=198.51.100.1",
    'for="198.51.100.1:4711";proto=https;by=10.0.0.1',
    'For="[2001:db8::1]", proto=https; FOR="198.51.100.1:80"',
    // What a caller has written before it does not change what the proxy adds.
    'for="203.0.113.9, for=198.51.100.1:1',
  ];
  const v6 = [
    "2001:db8::1",
    "2001:DB8:0:0:ffff::2",
    "[2001:db8::1]",
    "[2001:db8::1]:4711",
    "2001:0DB8:0000:0000:0000:0000:192.0.2.7",
    'for="[2001:db8::1]:4711"',
    'for="[2001:db8::1]";proto=http',
  ];
  for (const value of v4) {
    assertEquals([value, await addressIn("forwarded", value)], [value, "198.51.100.1"]);
  }
  for (const value of v6) {
    assertEquals([value, await addressIn("forwarded", value)], [value, "2001:0db8:0000:0000"]);
  }
});

Deno.test("what is no address in a forwarded header is the proxy, so that nobody has a new one each time [36]", async () => {
  for (
    const value of [
      "unknown",
      "for=unknown",
      "for=_hidden7",
      'for="_hidden8:4711"',
      "proto=https;by=10.0.0.1",
      "for=198.51.100.1, proto=https",
      "198.51.100.1,",
      "x:7",
      "1.2.3.4.5:80",
      "",
    ]
  ) {
    assertEquals([value, await addressIn("x-forwarded-for", value)], [value, proxy]);
  }
});

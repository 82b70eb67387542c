import { assertEquals, assertMatch, assertNotMatch, assertRejects } from "@std/assert";
import { createApi } from "../support/api.ts";
import { stopClock } from "../support/socket.ts";

Deno.test("GET / redirects to the docs page, which needs no key [30]", async () => {
  await using api = await createApi();
  const root = await api.call("GET /", { key: null });
  assertEquals([root.status, root.headers.get("location")], [302, "/api/docs"]);
  const page = await api.call("GET /api/docs", { key: null, headers: { accept: "text/html" } });
  assertEquals(page.status, 200);
  assertMatch(page.text, /<title>Slate API<\/title>/);
});

Deno.test("the docs page runs one script of this server, and loads from no other [30]", async () => {
  await using api = await createApi();
  const { text, headers } = await api.call("GET /api/docs", { key: null });
  const policy = headers.get("content-security-policy")!;
  assertMatch(policy, /^default-src 'none'; script-src 'self'; /);
  assertNotMatch(policy, /unsafe-eval|https?:|\*/);
  assertNotMatch(policy.replace("style-src 'unsafe-inline'", ""), /unsafe/);
  assertNotMatch(text, /https?:\/\//);
  assertEquals(text.match(/<script[^>]*>/g)!.length, 2);
  assertNotMatch(text, /<script[^>]*>[^<]/);
});

Deno.test("the docs page's script is the same with and without compression [30]", async () => {
  await using api = await createApi();
  const path = "http://slate.test/api/docs/scalar.js";
  const plain = await api.app.request(path);
  const small = await api.app.request(path, { headers: { "accept-encoding": "br, gzip" } });
  assertEquals(plain.headers.get("content-type"), "text/javascript; charset=utf-8");
  assertEquals(small.headers.get("content-encoding"), "gzip");
  const unzipped = small.body!.pipeThrough(new DecompressionStream("gzip"));
  assertEquals(await new Response(unzipped).text(), await plain.text());
  for (
    const [accepted, coding] of [
      ["GZIP;q=0.5", "gzip"],
      ["gzip;q=0, *", null],
      ["br;q=1, gzip; q=0.000", null],
      ["not-gzip", null],
    ]
  ) {
    const answer = await api.app.request(path, { headers: { "accept-encoding": accepted! } });
    assertEquals([accepted, answer.headers.get("content-encoding")], [accepted, coding]);
    await answer.body!.cancel();
  }
});

Deno.test("the docs page: another Accept is 406, a query 400, a trailing slash 404, POST 405 [5][7][9][11]", async () => {
  await using api = await createApi();
  const headers = { accept: "application/json" };
  assertEquals((await api.call("GET /api/docs", { key: null, headers })).status, 406);
  assertEquals((await api.call("GET /api/docs?x=1", { key: null })).status, 400);
  assertEquals((await api.call("GET /api/docs/", { key: null })).status, 404);
  assertEquals((await api.call("POST /api/docs", { key: null })).status, 405);
});

Deno.test("downloads that nobody reads make room after a second for one that is read [43]", async () => {
  await using api = await createApi();
  using clock = stopClock();
  const ask = async () => await api.app.request("http://slate.test/api/docs/scalar.js");
  const unread = await Promise.all(Array.from({ length: 64 }, ask));
  assertEquals((await ask()).status, 429);
  clock.by(900);
  const reader = unread[1]!.body!.getReader();
  await reader.read();
  clock.by(200);
  const first = await ask();
  assertEquals(first.status, 200);
  assertEquals((await first.text()).length > 4_000_000, true);
  await assertRejects(() => unread[0]!.text(), Error, "nobody reads it");
  assertEquals((await reader.read()).done, false);
  await reader.cancel();
  for (const answer of unread.slice(2)) await answer.body!.cancel();
});

Deno.test("a download of a few pieces keeps its place until the last of them is taken [43]", async () => {
  await using api = await createApi();
  using _clock = stopClock();
  const ask = async () => await api.app.request("http://slate.test/api/openapi.json");
  const readers = [];
  for (let n = 0; n < 64; n++) {
    const answer = await ask();
    const reader = answer.body!.getReader();
    readers.push(reader);
    let left = Number(answer.headers.get("content-length"));
    while (left > 0) left -= (await reader.read()).value!.length;
  }
  // Each has sent for its last piece: on a connection that nobody reads none of it has left yet.
  assertEquals((await ask()).status, 429);
  assertEquals((await readers.pop()!.read()).done, true);
  const last = await ask();
  assertEquals(last.status, 200);
  await last.body!.cancel();
  for (const reader of readers) await reader.cancel();
});

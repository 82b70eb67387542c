import { assert, assertEquals, assertMatch } from "@std/assert";
import { problems } from "../../routes/_problem.ts";
import { createApi } from "../support/api.ts";
import { dial, listen } from "../support/socket.ts";

const json = { "content-type": "application/json" };

Deno.test("GET /api: the welcome, byte for byte, without a key [1]", async () => {
  await using api = await createApi();
  const answer = await api.call("GET /api", { key: null });
  assertEquals(answer.status, 200);
  assertEquals(answer.text, '{"msg":"todos api is up","success":true,"data":null}');
});

Deno.test("a problem has the members of RFC 9457, a permanent code and the request's id [2]", async () => {
  await using api = await createApi();
  const answer = await api.call("GET /api/users/999", { headers: { "x-request-id": "abc-1" } });
  assertEquals(answer.headers.get("content-type"), "application/problem+json");
  assertEquals(answer.headers.get("x-request-id"), "abc-1");
  assertEquals(answer.json, {
    type: "urn:slate:problem:not_found",
    title: problems.not_found[1],
    status: 404,
    detail: "There is no such row among yours.",
    code: "not_found",
    request_id: "abc-1",
  });
});

Deno.test("a request id that could forge a log line is replaced [41]", async () => {
  await using api = await createApi();
  for (const given of ['a"b', "x".repeat(65), "a b"]) {
    const answer = await api.call("GET /api", { headers: { "x-request-id": given } });
    assertMatch(answer.headers.get("x-request-id")!, /^[0-9a-f-]{36}$/);
  }
});

Deno.test("a validation problem names each place and never repeats what was sent [3]", async () => {
  await using api = await createApi();
  const answer = await api.call("POST /api/users", {
    key: await api.key("ada@example.com", "admin"),
    body: { email: "s3cret", years_old: "s3cret", extra: "s3cret" },
  });
  assertEquals(answer.status, 422);
  assertEquals(answer.json.code, "invalid_body");
  const places = answer.json.errors.map((e: { pointer: string; code: string }) =>
    `${e.pointer} ${e.code}`
  ).sort();
  assertEquals(places, [
    "/email invalid_format",
    "/extra unknown",
    "/name required",
    "/years_old invalid_type",
  ]);
  assert(!answer.text.includes("s3cret"));
  const parameter = await api.call("GET /api/keys?limit=s3cret&sort=s3cret");
  assertEquals(parameter.status, 400);
  assertEquals(parameter.json.errors.map((e: { parameter: string }) => e.parameter).sort(), [
    "limit",
    "sort",
  ]);
  assert(!parameter.text.includes("s3cret"));
});

Deno.test("of many faults the first 20 are named, and the detail says so [43]", async () => {
  await using api = await createApi();
  const names = Array.from({ length: 2000 }, (_, i) => `p${i}`);
  const query = await api.call(`GET /api/keys?${names.map((name) => `${name}=`).join("&")}`);
  const body = await api.call("POST /api/keys", {
    body: Object.fromEntries(names.map((name) => [name, 0])),
  });
  for (const { text, json, status } of [query, body]) {
    assert(status === 400 || status === 422);
    assertEquals(json.errors.length, 20);
    assertMatch(json.detail, /The first 20 faults follow\.$/);
    assert(text.length < 3000, `${text.length} characters`);
  }
});

Deno.test("another method is 405 with the exact Allow, OPTIONS 204 with the same [5]", async () => {
  await using api = await createApi();
  const allowed: Record<string, string> = {
    "/api": "GET, HEAD, OPTIONS",
    "/api/users": "GET, HEAD, POST, OPTIONS",
    "/api/users/1": "GET, HEAD, PATCH, DELETE, OPTIONS",
    "/api/keys/1": "DELETE, OPTIONS",
    "/api/keys/1/rotate": "POST, OPTIONS",
  };
  for (const [path, allow] of Object.entries(allowed)) {
    const answer = await api.call(`PUT ${path}`, { key: null, body: {} });
    assertEquals([answer.status, answer.json.code], [405, "method_not_allowed"]);
    assertEquals(answer.headers.get("allow"), allow);
    const options = await api.call(`OPTIONS ${path}`, { key: null });
    assertEquals([options.status, options.headers.get("allow"), options.text], [204, allow, ""]);
  }
  assertEquals((await api.call("OPTIONS /api/nothing", { key: null })).status, 404);
});

Deno.test("HEAD answers as GET does, without a body [6]", async () => {
  await using api = await createApi();
  for (const path of ["/api", "/api/keys", "/api/users/1", "/api/users/999"]) {
    const get = await api.call(`GET ${path}`, { headers: { "x-request-id": "same" } });
    const head = await api.call(`HEAD ${path}`, { headers: { "x-request-id": "same" } });
    assertEquals(head.status, get.status);
    assertEquals(head.text, "");
    assertEquals([...head.headers], [...get.headers]);
  }
});

Deno.test("a trailing slash is another path [7]", async () => {
  await using api = await createApi();
  for (const path of ["/api/", "/api/keys/", "/api/users/1/"]) {
    const answer = await api.call(`GET ${path}`);
    assertEquals([answer.status, answer.json.code], [404, "not_found"]);
  }
});

Deno.test("an Accept that cannot be met is 406, and the most specific range decides [9]", async () => {
  await using api = await createApi();
  const status = async (accept: string) =>
    (await api.call("GET /api/keys", { headers: { accept } })).status;
  const quoted = 'text/html;a=", ;q=0", application/json;q=0.1';
  for (
    const accept of ["*/*", "application/*", "application/json", "text/html, */*;q=0.1", quoted]
  ) {
    assertEquals(await status(accept), 200, accept);
  }
  for (const accept of ["text/html", "application/xml", "application/json;q=0, */*", "*/*;q=0"]) {
    assertEquals(await status(accept), 406, accept);
  }
});

Deno.test("an id has no leading zero and is at most 9007199254740991, else 400 [10]", async () => {
  await using api = await createApi();
  for (const id of ["0", "01", "-1", "+1", "1e0", "0x1", "1.0", "a", "%20", "9007199254740992"]) {
    const answer = await api.call(`GET /api/users/${id}`);
    assertEquals([answer.status, answer.json.code], [400, "invalid_parameter"], id);
  }
  for (const id of ["2", "9007199254740991"]) {
    assertEquals((await api.call(`GET /api/users/${id}`)).status, 404, id);
  }
});

Deno.test("an unknown or repeated query parameter is 400, an unknown body key 422 [11]", async () => {
  await using api = await createApi();
  for (
    const query of [
      "colour=red",
      "limit=1&limit=2",
      "limit=1&Limit=1",
      "__proto__=1",
      "=1",
      "limit=1&=",
    ]
  ) {
    const answer = await api.call(`GET /api/keys?${query}`);
    assertEquals([answer.status, answer.json.code], [400, "invalid_parameter"], query);
  }
  for (const key of ["colour", "__proto__", "constructor", "owner_id", "id", "version"]) {
    const answer = await api.call("POST /api/keys", {
      raw: `{"name":"x","scope":"read","${key}":1}`,
      headers: json,
    });
    assertEquals([answer.status, answer.json.errors?.[0].pointer], [422, `/${key}`], key);
  }
});

Deno.test("answers have nosniff, and no-store where a key was sent [37]", async () => {
  await using api = await createApi();
  const keyed = await api.call("GET /api/keys");
  assertEquals(keyed.headers.get("x-content-type-options"), "nosniff");
  assertEquals(keyed.headers.get("cache-control"), "no-store");
  // Also of those that are refused before the key is looked at.
  for (const [path, status] of [["/api/users/7", 404], ["/api/nothing", 404], ["/api/me", 406]]) {
    const accept = status === 406 ? "text/html" : "*/*";
    const answer = await api.call(`GET ${path}`, { headers: { accept } });
    assertEquals(
      [answer.status, answer.headers.get("cache-control")],
      [status, "no-store"],
      `${path}`,
    );
  }
  for (const name of ["server", "x-powered-by", "access-control-allow-origin"]) {
    assertEquals(keyed.headers.get(name), null);
  }
});

Deno.test("CORS is off until an origin is configured, and then only for it [5][37]", async () => {
  await using off = await createApi();
  const origin = "https://app.example.com";
  const closed = await off.call("GET /api", { headers: { origin } });
  assertEquals(closed.headers.get("access-control-allow-origin"), null);
  await using on = await createApi({ corsOrigins: [origin] });
  const open = await on.call("GET /api", { headers: { origin } });
  assertEquals(open.headers.get("access-control-allow-origin"), origin);
  // Also where the key is refused: a page could not tell that from a broken network otherwise.
  const unknown = await off.key("ada@example.com");
  for (
    const [path, key, status] of [
      ["/api/todos", undefined, 200],
      ["/api/todos", null, 401],
      ["/api/todos", unknown, 401],
      ["/api/todos?unknown=1", unknown, 401],
      ["/api/todos?unknown=1", undefined, 400],
    ] as const
  ) {
    const answer = await on.call(`GET ${path}`, { key, headers: { origin } });
    const allowed = answer.headers.get("access-control-allow-origin");
    assertEquals([answer.status, allowed], [status, origin]);
  }
  const readable = open.headers.get("access-control-expose-headers")!.split(",");
  for (const name of ["ETag", "Link", "Slate-Written"]) assert(readable.includes(name), name);
  // What is no browser's question before a request is answered as it is without CORS [5].
  const options = await on.call("OPTIONS /api/todos", { key: null, headers: { origin } });
  assertEquals(
    [options.status, options.headers.get("allow")],
    [204, "GET, HEAD, POST, OPTIONS"],
  );
  assertEquals((await on.call("OPTIONS /api/nothing", { key: null })).status, 404);
  const asking = { origin, "access-control-request-method": "PATCH" };
  const preflight = await on.call("OPTIONS /api/todos/1", { key: null, headers: asking });
  assertEquals(preflight.headers.get("access-control-allow-methods"), "GET,POST,PATCH,DELETE");
  const stranger = await on.call("GET /api", { headers: { origin: "https://evil.example" } });
  assertEquals(stranger.headers.get("access-control-allow-origin"), null);
});

Deno.test("a Host that is missing or not host[:port] is 400, and the path is the request line's [45]", async () => {
  await using api = await createApi({ devKey: "slate_test_1_x" });
  await using server = listen(api.app);
  async function ask(target: string, ...headers: string[]) {
    using connection = await dial(server.port);
    const lines = [`GET ${target} HTTP/1.1`, ...headers, "connection: close"];
    await connection.write(lines.join("\r\n") + "\r\n\r\n");
    return await connection.rest();
  }
  for (
    const host of ["x", "x:80", "example.com", "127.0.0.1:8000", "[::1]", "[::1]:80", "a_b-c.d"]
  ) {
    assertMatch(await ask("/api", `host: ${host}`), /^HTTP\/1\.1 200 .*todos api is up/s, host);
  }
  const bad = [
    "x/api/me#",
    "x/",
    "x?",
    "x#",
    "u@x",
    "x:y",
    "x:123456",
    "x:99999",
    "999.1.1.1",
    "xn--a",
    "x y",
    "[x]",
    "",
    "x,y",
    "é",
  ];
  for (const host of bad) {
    for (const target of ["/api", "/api/me", "/"]) {
      const answer = await ask(target, `host: ${host}`);
      assertMatch(answer, /^HTTP\/1\.1 400 .*malformed_request/s, `${target} of ${host}`);
    }
  }
  assertMatch(await ask("/api"), /^HTTP\/1\.1 400 /);
  assertMatch(await ask("http://other.example/api", "host: x"), /^HTTP\/1\.1 400 /);
  assertMatch(await ask("http://x/api", "host: x"), /^HTTP\/1\.1 200 /);
  assertMatch(await ask("//x/api/me", "host: x"), /^HTTP\/1\.1 404 /);
});

Deno.test("a body in another transfer coding than chunked is 400, and nothing is done [4]", async () => {
  await using api = await createApi();
  await using server = listen(api.app);
  const head = `POST /api/todos HTTP/1.1\r\nHost: x\r\nauthorization: Bearer ${await api.key(
    "ada@example.com",
  )}\r\ncontent-type: application/json\r\nconnection: close\r\n`;
  async function send(coding: string) {
    using connection = await dial(server.port);
    const body = '{"description":"x"}';
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    await connection.write(`${head}transfer-encoding: ${coding}\r\n\r\n${chunk}`);
    return await connection.rest();
  }
  for (
    const coding of [
      "gzip, chunked",
      "GZIP,Chunked",
      'x;y="a, chunked", chunked',
      "gzip\r\ntransfer-encoding: chunked",
    ]
  ) {
    assertMatch(await send(coding), /^HTTP\/1\.1 400 .*malformed_request/s, coding);
  }
  assertEquals((await api.call("GET /api/todos")).json.data, []);
  assertMatch(await send("Chunked"), /^HTTP\/1\.1 201 /);
});

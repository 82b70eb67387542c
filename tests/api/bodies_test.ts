import { assert, assertEquals, assertMatch } from "@std/assert";
import { connect, sql } from "../../postgres/mod.ts";
import { createApp } from "../../routes/mod.ts";
import { createApi } from "../support/api.ts";
import { holdLock } from "../support/locks.ts";
import { pause, soon, until } from "../support/pool.ts";
import { dial, listen, stopClock } from "../support/socket.ts";

/** The text of a good body: 27 bytes. */
const good = JSON.stringify({ name: "x", scope: "read" });

const post = (key: string, headers: string) =>
  `POST /api/keys HTTP/1.1\r\nhost: slate\r\nauthorization: Bearer ${key}\r\n` +
  `content-type: application/json\r\n${headers}\r\n\r\n`;

Deno.test("64 KiB fit, one byte more is 413, with a length and chunked [13]", async () => {
  await using api = await createApi();
  const body = (length: number) => {
    return good + " ".repeat(length - good.length);
  };
  const headers = { "content-type": "application/json" };
  const chunked = (text: string) => new Blob([text]).stream();
  const answers = [];
  for (const length of [65_536, 65_537]) {
    answers.push((await api.call("POST /api/keys", { headers, raw: body(length) })).status);
    const raw = chunked(body(length));
    answers.push((await api.call("POST /api/keys", { headers, raw })).status);
  }
  assertEquals(answers, [201, 201, 413, 413]);
});

Deno.test("a Content-Length over 64 KiB is 413 before a byte of the body comes [13]", async () => {
  await using api = await createApi();
  await using server = listen(api.app);
  using client = await dial(server.port);
  await client.write(post(await api.key("ada@example.com"), "content-length: 99999999999"));
  const answer = await client.until("request_id");
  assertMatch(answer, /^HTTP\/1\.1 413 /);
  assertMatch(answer, /\r\nconnection: close\r\n/i);
});

Deno.test("a body that stalls for 10 seconds is 408; 9 seconds are waited for [14]", async () => {
  await using api = await createApi();
  await using server = listen(api.app);
  const key = await api.key("ada@example.com");
  using clock = stopClock();
  using patient = await dial(server.port);
  using stalled = await dial(server.port);
  using silent = await dial(server.port);
  await patient.write(post(key, "content-length: 27") + '{"name":"x');
  await server.reads(1);
  clock.by(9000);
  // Bodies are looked at every second.
  await pause(1100);
  await patient.write('","scope":"read"}');
  assertMatch(await patient.until("version"), /^HTTP\/1\.1 201 /);
  await stalled.write(post(key, "transfer-encoding: chunked") + '5\r\n{"nam\r\n');
  await silent.write(post(key, "content-length: 27"));
  for (const client of [stalled, silent]) {
    const answer = await clock.until(client.until("request_id"), 1000);
    assertMatch(answer, /^HTTP\/1\.1 408 /);
    assertMatch(answer, /"code":"request_timeout"/);
  }
});

Deno.test("a body that drips is 408 after 30 seconds [14]", async () => {
  await using api = await createApi();
  await using server = listen(api.app);
  const key = await api.key("ada@example.com");
  using clock = stopClock();
  using client = await dial(server.port);
  await client.write(post(key, "content-length: 60000"));
  await server.reads(1);
  for (let seconds = 0; seconds < 30; seconds += 6) {
    await client.write(" ");
    await pause(200);
    clock.by(6000);
  }
  assertMatch(await soon(client.until("request_id")), /^HTTP\/1\.1 408 /);
});

Deno.test("an optional body may be absent or empty, also with a Content-Type", async () => {
  await using api = await createApi();
  const rotate = async (options: { raw?: BodyInit; headers?: Record<string, string> }) => {
    const { json } = await api.call("POST /api/keys", { body: { name: "x", scope: "read" } });
    return (await api.call(`POST /api/keys/${json.id}/rotate`, options)).status;
  };
  const type = { "content-type": "application/json" };
  assertEquals(await rotate({}), 201);
  assertEquals(await rotate({ raw: new Uint8Array() }), 201);
  assertEquals(await rotate({ raw: new Blob([]).stream() }), 201);
  assertEquals(await rotate({ headers: type }), 201);
  assertEquals(await rotate({ headers: type, raw: new Blob([]).stream() }), 201);
  assertEquals(await rotate({ headers: type, raw: "{}" }), 201);
  assertEquals(await rotate({ raw: new TextEncoder().encode("{}") }), 415);
});

Deno.test("a media type is the same in capitals, with parameters and with spaces before them [8]", async () => {
  await using api = await createApi();
  const names = [
    "APPLICATION/JSON",
    "application/json;charset=UTF-8;x=y",
    'application/json; charset="utf-8"',
    " application/json",
    "application/json ; charset=utf-8",
    "application/json\t;x=y",
    'application/json; profile="a;charset=latin1"',
    String.raw`application/json; profile="\";charset=latin1"; charset="utf\-8"`,
    "application/json;; charset=utf-8;",
  ];
  const post = async (type: string) => {
    const options = { headers: { "content-type": type }, raw: good };
    return [type, (await api.call("POST /api/keys", options)).status];
  };
  for (const name of names) assertEquals(await post(name), [name, 201]);
  const malformed = [
    "application/ json",
    "application/json charset=utf-8",
    "application/json; charset =latin1",
    "application/json; charset= latin1",
    "application/json; charset",
    "application/json; charset=utf-8; Charset=latin1",
    'application/json; x="open',
    "application/json; x=a b",
    `application/json${"; ".repeat(3000)}x`,
  ];
  for (const name of malformed) {
    assertEquals(await post(name), [name, 415]);
  }
});

Deno.test("a body that breaks off leaves nothing behind and nothing done", async () => {
  await using api = await createApi();
  await using server = listen(api.app);
  const key = await api.key("ada@example.com");
  const keys = (await api.call("GET /api/keys")).text;
  const before = api.log.length;
  {
    using client = await dial(server.port);
    await client.write(post(key, "content-length: 1000") + '{"name":"x"');
    await server.reads(1);
  }
  await until(() => Promise.resolve(api.log.length > before));
  assertEquals((await api.call("GET /api/keys")).text, keys);
});

Deno.test("a request past its deadline is 504, and its statement stops on the server as well [14]", async () => {
  await using api = await createApi();
  const { settings, db } = api.database;
  const { json: me } = await api.call("GET /api/me");
  const key = await api.key("ada@example.com");
  const applicationName = `test ${crypto.randomUUID()}`;
  const impatient = connect(settings, { deadlineMs: 2000, applicationName });
  const app = createApp({
    db: impatient,
    environment: "test",
    corsOrigins: [],
    rateLimit: 0,
    log: () => {},
  });
  // Somebody holds the row.
  await using holder = await holdLock(settings, "select id from users for update");
  const running = async () =>
    (await db.query(sql`
      select from pg_stat_activity
      where application_name = ${applicationName} and state = 'active'`)).length;
  // Until it was seen at work: on a slow machine a deadline may pass before anybody looks.
  for (let seen = false; !seen;) {
    let answered = false;
    const answer = Promise.resolve(app.request(`/api/users/${me.id}`, {
      method: "PATCH",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: '{"name":"Countess"}',
    })).finally(() => answered = true);
    await until(async () => {
      seen ||= await running() === 1;
      return seen || answered;
    });
    const response = await answer;
    assertEquals([response.status, (await response.json()).code], [504, "deadline_exceeded"]);
    assert(response.headers.has("retry-after"));
    await until(async () => await running() === 0);
  }
  await holder.commit();
  await impatient.close();
  assertEquals((await api.call("GET /api/me")).json, me);
});

Deno.test({
  name: "a chunked body over 64 KiB is 413, long before it has all been sent [13]",
  // Last, because Deno gives an abandoned body back in its own time.
  sanitizeResources: false,
  async fn() {
    await using api = await createApi();
    await using server = listen(api.app);
    const key = await api.key("ada@example.com");
    let flood;
    {
      using client = await dial(server.port);
      let sent = 0;
      const chunk = `4000\r\n${" ".repeat(16_384)}\r\n`;
      const send = async () => {
        await client.write(post(key, "transfer-encoding: chunked"));
        for (; sent < 200e6; sent += chunk.length) await client.write(chunk);
      };
      // It ends when this side hangs up.
      flood = send().catch(() => {});
      assertMatch(await client.until("request_id"), /^HTTP\/1\.1 413 .*"payload_too_large"/s);
      assert(sent < 20e6, `${sent} bytes were taken`);
    }
    await flood;
  },
});

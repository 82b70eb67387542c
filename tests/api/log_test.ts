import { assertEquals, assertLess } from "@std/assert";
import { assertSpyCalls, spy } from "@std/testing/mock";
import { FakeTime } from "@std/testing/time";
import { lineWriter } from "../../routes/_log.ts";
import { createApi } from "../support/api.ts";

const decoder = new TextDecoder();

/** A file that takes at most `most` bytes a write. */
function file(most = Infinity) {
  let text = "";
  const writeSync = spy((bytes: Uint8Array) => {
    const taken = bytes.subarray(0, Math.min(most, bytes.length));
    text += decoder.decode(taken);
    return taken.length;
  });
  return { writeSync, text: () => text };
}

Deno.test("lines that are logged in one turn are written together, in their order", () => {
  using time = new FakeTime();
  const { writeSync, text } = file();
  const log = lineWriter({ writeSync });
  log.write("one");
  log.write("two");
  assertSpyCalls(writeSync, 0);
  time.tick(0);
  assertSpyCalls(writeSync, 1);
  assertEquals(text(), "one\ntwo\n");
  log.write("three");
  time.tick(0);
  assertEquals(text(), "one\ntwo\nthree\n");
});

Deno.test("the log writes on after a partial write, and flush leaves nothing behind", () => {
  using _time = new FakeTime();
  const { writeSync, text } = file(3);
  const log = lineWriter({ writeSync });
  log.write("first line");
  log.flush();
  assertEquals(text(), "first line\n");
  log.flush();
  assertSpyCalls(writeSync, 4);
});

Deno.test("a request leaves one line: route pattern, status, time, caller; nothing of its content [41]", async () => {
  await using api = await createApi();
  const { json: { id } } = await api.call("GET /api/me");
  await api.call(`PATCH /api/users/${id}`, { body: { name: "s3cret" } });
  api.log.length = 0;
  await api.call(`GET /api/users/${id}?x=s3cret`, { headers: { "x-request-id": "r1" } });
  await api.call(`GET /api/users/${id}`, { headers: { "x-request-id": "r2" } });
  await api.call("GET /nowhere", { key: null });
  assertEquals(api.log.length, 3);
  const [refused, line, nowhere] = api.log.map((text) => JSON.parse(text));
  assertEquals([refused.status, refused.request_id], [400, "r1"]);
  assertEquals(line.route, "/api/users/:id");
  assertEquals([line.status, line.level, line.request_id, line.method], [200, "info", "r2", "GET"]);
  assertEquals(line.caller_id, "1");
  assertLess(line.ms, 10_000);
  assertEquals([nowhere.route, nowhere.status], [undefined, 404]);
  assertEquals(api.log.some((text) => /s3cret|ada@|slate_test_/.test(text)), false);
});

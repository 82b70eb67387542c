import { assertEquals } from "@std/assert";
import { date } from "../../routes/_fields.ts";
import { createApi } from "../support/api.ts";

const json = { "content-type": "application/json" };

Deno.test("malformed JSON is 400, well-formed JSON that breaks the schema 422 [4]", async () => {
  await using api = await createApi();
  for (const raw of ["{", "", "{'a':1}", "nul", '{"name":"x","scope":"read"}x']) {
    const answer = await api.call("POST /api/keys", { raw, headers: json });
    assertEquals([answer.status, answer.json.code], [400, "malformed_json"], raw);
  }
  for (const raw of ["null", "0", "false", '""', "[]", "{}", '{"name":null}']) {
    const answer = await api.call("POST /api/keys", { raw, headers: json });
    assertEquals([answer.status, answer.json.code], [422, "invalid_body"], raw);
  }
});

Deno.test("a number has one fault, which says its range, also where a double counts no longer by ones", async () => {
  await using api = await createApi();
  for (const age of ["-1", "151", "1.5", "1e300", "-9007199254740993", '"1"']) {
    const raw = `{"first_name":"Pat","last_name":"Marsh","age":${age}}`;
    const answer = await api.call("POST /api/students", { raw, headers: json });
    const details = answer.json.errors.map(({ detail }: { detail: string }) => detail);
    assertEquals([answer.status, details], [422, ["must be a whole number from 0 to 150"]], age);
  }
  for (const id of ["0", "9007199254740992", "1e99"]) {
    const raw = `{"description":"x","student_id":${id}}`;
    const answer = await api.call("POST /api/todos", { raw, headers: json });
    assertEquals([answer.status, answer.json.errors.length], [422, 1], id);
  }
  assertEquals(date.safeParse("0000-13-01").error?.issues.length, 1);
});

Deno.test("a body that is not JSON in UTF-8 by its headers is 415 [8]", async () => {
  await using api = await createApi();
  const raw = '{"name":"x","scope":"read"}';
  const refused = [
    {},
    { "content-type": "text/plain" },
    { "content-type": "application/x-www-form-urlencoded" },
    { "content-type": "application/json; charset=iso-8859-1" },
    { "content-type": "application/merge-patch+json" },
    { ...json, "content-encoding": "gzip" },
    { ...json, "content-encoding": "identity" },
  ];
  for (const headers of refused) {
    // Bytes, because fetch gives text a type of its own.
    const answer = await api.call("POST /api/keys", {
      raw: new TextEncoder().encode(raw),
      headers: headers as Record<string, string>,
    });
    assertEquals(
      [answer.status, answer.json.code],
      [415, "unsupported_media_type"],
      JSON.stringify(headers),
    );
  }
  for (
    const type of [
      "application/json ; charset=utf-8",
      "application/json;",
      "application/json;charset=utf-8",
      'Application/JSON; charset="UTF-8"',
    ]
  ) {
    const answer = await api.call("POST /api/keys", { raw, headers: { "content-type": type } });
    assertEquals(answer.status, 201, type);
  }
});

Deno.test("U+0000 and lone surrogates are 422 in a body and 400 in a query [12]", async () => {
  await using api = await createApi();
  for (const text of ["\\u0000", "a\\ud800", "\\udfffb", "\\ude00\\ud83d"]) {
    const answer = await api.call("POST /api/keys", {
      raw: `{"name":"${text}","scope":"read"}`,
      headers: json,
    });
    assertEquals([answer.status, answer.json.errors[0].pointer], [422, "/name"], text);
  }
  const pair = await api.call("POST /api/keys", {
    raw: '{"name":"\\ud83d\\ude00","scope":"read"}',
    headers: json,
  });
  assertEquals([pair.status, pair.json.name], [201, "😀"]);
  assertEquals((await api.call("GET /api/keys?cursor=a%00b")).status, 400);
});

Deno.test("invalid UTF-8 is 400 in a body, a query and a path [12]", async () => {
  await using api = await createApi();
  const bytes = new Uint8Array([...new TextEncoder().encode('{"name":"'), 0xff, 0x22, 0x7d]);
  const body = await api.call("POST /api/keys", { raw: bytes, headers: json });
  assertEquals([body.status, body.json.code], [400, "malformed_request"]);
  for (const path of ["/api/keys?cursor=%ff", "/api/keys?cursor=%", "/api/users/%c0%80"]) {
    const answer = await api.call(`GET ${path}`);
    assertEquals([answer.status, answer.json.code], [400, "malformed_request"], path);
  }
});

Deno.test("30,000 levels of JSON are refused as what they are: not an object [13]", async () => {
  await using api = await createApi();
  const raw = "[".repeat(30_000) + "]".repeat(30_000);
  const answer = await api.call("POST /api/keys", { raw, headers: json });
  assertEquals([answer.status, answer.json.code], [422, "invalid_body"]);
});

Deno.test("lengths count code points: 100 emoji fit a name, 101 do not [15]", async () => {
  await using api = await createApi();
  const create = (name: string) => api.call("POST /api/keys", { body: { name, scope: "read" } });
  const fits = await create("😀".repeat(100));
  assertEquals([fits.status, fits.json.name], [201, "😀".repeat(100)]);
  assertEquals((await create("😀".repeat(101))).status, 422);
  assertEquals((await create("")).status, 422);
});

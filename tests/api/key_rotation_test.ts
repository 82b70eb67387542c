import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { createApi, type TestApi } from "../support/api.ts";

async function statusOf(api: TestApi, key: string): Promise<number> {
  return (await api.call("GET /api/me", { key })).status;
}

/** A key and its successor, which overlaps for so many seconds. */
async function rotated(api: TestApi, overlap_seconds?: number) {
  const { json: old } = await api.call("POST /api/keys", { body: { name: "ci", scope: "read" } });
  const body = overlap_seconds === undefined ? undefined : { overlap_seconds };
  const answer = await api.call(`POST /api/keys/${old.id}/rotate`, { body });
  assertEquals(answer.status, 201);
  return { old, successor: answer.json };
}

Deno.test("POST /api/keys/{id}/rotate: the successor has the name and scope, and a secret of its own [32]", async () => {
  await using api = await createApi();
  const { old, successor } = await rotated(api);
  assertEquals([successor.name, successor.scope], [old.name, old.scope]);
  assertNotEquals(successor.key.slice(-43), old.key.slice(-43));
  assertEquals(await statusOf(api, successor.key), 200);
});

Deno.test("POST /api/keys/{id}/rotate: the old key works until the overlap ends [32]", async () => {
  await using api = await createApi();
  const { old } = await rotated(api, 3600);
  assertEquals(await statusOf(api, old.key), 200);
  await api.database.db.script("update keys set replaced_at = now() where replaced_at is not null");
  assertEquals(await statusOf(api, old.key), 401);
});

Deno.test("POST /api/keys/{id}/rotate: without an overlap the old key ends immediately [32]", async () => {
  await using api = await createApi();
  const { old } = await rotated(api);
  assertEquals(await statusOf(api, old.key), 401);
});

Deno.test("POST /api/keys/{id}/rotate: an overlap is 0 to 86,400 whole seconds, else 422 [32]", async () => {
  await using api = await createApi();
  const { json: old } = await api.call("POST /api/keys", { body: { name: "ci", scope: "read" } });
  for (const overlap_seconds of [-1, 86401, 1.5, "1"]) {
    const answer = await api.call(`POST /api/keys/${old.id}/rotate`, { body: { overlap_seconds } });
    assertEquals(answer.status, 422);
  }
  const answer = await api.call(`POST /api/keys/${old.id}/rotate`, {
    body: { overlap_seconds: 86400 },
  });
  assertEquals(answer.status, 201);
});

/** In microseconds, which a JavaScript Date does not have. */
function lifetime(key: { expires_at: string; created_at: string }): number {
  const microseconds = (time: string) => Date.parse(time) * 1000 + Number(time.slice(-4, -1));
  return microseconds(key.expires_at) - microseconds(key.created_at);
}

Deno.test("a successor can be replaced as well: the lifetime is the one that the first was made with [32]", async () => {
  await using api = await createApi();
  const year = 365 * 24 * 60 * 60 * 1000;
  const body = {
    name: "ci",
    scope: "read",
    expires_at: new Date(Date.now() + year).toISOString(),
  };
  const { json: old } = await api.call("POST /api/keys", { body });
  let { id } = old;
  for (let i = 0; i < 2; i++) {
    const { json } = await api.call(`POST /api/keys/${id}/rotate`);
    assertEquals((await api.call("GET /api/me", { key: json.key })).status, 200);
    assertEquals(lifetime(json), lifetime(old));
    id = json.id;
  }
});

Deno.test("a successor's lifetime is the same where the server's clocks are put forward and back [32]", async () => {
  await using api = await createApi();
  const { database } = api.database.settings;
  await api.database.db.script(`alter database ${database} set timezone = 'Europe/Berlin'`);
  // Whatever the day is today, one of them leads from the winter into the summer, or back.
  for (const days of [91, 182, 273]) {
    const expires_at = new Date(Date.now() + days * 86_400_000).toISOString();
    const body = { name: "ci", scope: "read", expires_at };
    const { json: old } = await api.call("POST /api/keys", { body });
    const { json } = await api.call(`POST /api/keys/${old.id}/rotate`);
    assertEquals(lifetime(json), lifetime(old));
  }
});

Deno.test("a key ends no later than the one that made it, or that asked for its successor [46]", async () => {
  await using api = await createApi();
  const inSeconds = (n: number) => new Date(Date.now() + n * 1000).toISOString();
  const [soon, later] = [inSeconds(600), inSeconds(1200)];
  const make = async (expires_at: string | null, key?: string) => {
    const body = { name: "ci", scope: "write", expires_at };
    return (await api.call("POST /api/keys", { body, key })).json;
  };
  const short = await make(soon);
  for (const wanted of [null, later]) {
    assertEquals((await make(wanted, short.key)).expires_at, short.expires_at);
  }
  assert((await make(inSeconds(300), short.key)).expires_at < short.expires_at);
  // Its own successor, and that of a key that never ends.
  for (const { id } of [await make(null), short]) {
    const { json } = await api.call(`POST /api/keys/${id}/rotate`, {
      body: { overlap_seconds: 300 },
      key: short.key,
    });
    assert(json.expires_at <= short.expires_at && json.expires_at !== null, json.expires_at);
  }
  // Replaced, it ends with its overlap, and so does what it makes.
  const made = await make(null, short.key);
  assert(Date.parse(made.expires_at) <= Date.now() + 301_000);
});

Deno.test("a key is replaced once, also during its overlap, and by one of two requests at once [46]", async () => {
  await using api = await createApi();
  const { old, successor } = await rotated(api, 3600);
  assertEquals((await api.call(`POST /api/keys/${old.id}/rotate`)).status, 404);
  const { json: own } = await api.call("POST /api/keys", { body: { name: "x", scope: "write" } });
  const again = () =>
    api.call(`POST /api/keys/${own.id}/rotate`, { body: { overlap_seconds: 3600 }, key: own.key });
  const answers = await Promise.all([again(), again(), again()]);
  assertEquals(answers.map(({ status }) => status).sort(), [201, 404, 404]);
  assertEquals((await again()).status, 404);
  assertEquals((await api.call(`POST /api/keys/${successor.id}/rotate`)).status, 201);
});

import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { createApi, type TestApi } from "../support/api.ts";
import { connectPatiently, createDatabase, startAsking } from "../support/database.ts";
import { openProxy } from "../support/proxy.ts";
import { createSample } from "../support/samples.ts";
import { stopClock } from "../support/socket.ts";

/** A port on which nobody listens. */
const nowhere = { host: "127.0.0.1", port: 1, database: "x", user: "x", tls: "off" as const };

Deno.test("live never touches the database; ready is 503 while it is away [39]", async () => {
  const db = connectPatiently(nowhere);
  await using api = await createApi({ db });
  assertEquals((await api.call("GET /api/health/live", { key: null })).status, 200);
  assertEquals((await api.call("GET /api", { key: null })).status, 200);
  const ready = await api.call("GET /api/health/ready", { key: null });
  assertEquals([ready.status, ready.json.code], [503, "unavailable"]);
  assertEquals(ready.headers.get("retry-after"), "1");
  const me = await api.call("GET /api/me");
  assertEquals([me.status, me.json.code], [503, "unavailable"]);
  await db.close();
});

Deno.test("ready asks the database once for all requests within a second [43]", async () => {
  await using database = await createDatabase();
  let asked = 0;
  const db: typeof database.db = {
    ...database.db,
    read(statement) {
      asked++;
      return database.db.read(statement);
    },
  };
  await using api = await createApi({ db });
  using clock = stopClock();
  const ready = () => api.call("GET /api/health/ready", { key: null });
  const answers = await Promise.all(Array.from({ length: 200 }, ready));
  assertEquals(new Set(answers.map(({ status }) => status)), new Set([200]));
  assertEquals((await ready()).status, 200);
  assertEquals(asked, 1);
  clock.by(1100);
  await database.db.script("delete from schema_migrations");
  assertEquals([(await ready()).status, (await ready()).status, asked], [503, 503, 2]);
});

Deno.test("ready says what is wrong, and neither address nor name nor password [39]", async () => {
  await using server = await startAsking();
  await using proxy = openProxy(server.settings);
  proxy.limit(0, "silence");
  const secret = { user: "s3cret_user", password: "s3cret", database: "s3cret_database" };
  await using database = await createDatabase();
  await database.db.script("revoke select on schema_migrations from slate_app");
  const { TEST_APP_PASSWORD: password } = Deno.env.toObject();
  const cases: [DatabaseSettings, RegExp][] = [
    [{ ...nowhere, ...secret }, /cannot be reached \(ECONNREFUSED\)/],
    [{ ...server.settings, ...secret }, /cannot be reached \(28P01\)/],
    [{ ...proxy.settings, ...secret }, /does not answer in time/],
    [{ ...database.settings, user: "slate_app", password }, /run db\/grants\.sql/],
  ];
  for (const [settings, detail] of cases) {
    // Only of whom no answer comes is it too short.
    const deadlineMs = settings.port === proxy.settings.port ? 500 : 60_000;
    const db = connectPatiently(settings, { size: 1, deadlineMs });
    await using api = await createApi({ db });
    const ready = await api.call("GET /api/health/ready", { key: null });
    assertEquals([ready.status, ready.json.code], [503, "unavailable"]);
    assertMatch(ready.json.detail, detail);
    assertEquals(/s3cret|127\.0\.0\.1/.test(ready.text), false);
    await db.close();
  }
});

Deno.test("ready is 503 and names the first missing migration until all are there [39]", async () => {
  await using api = await createApi();
  assertEquals((await api.call("GET /api/health/ready", { key: null })).status, 200);
  await using empty = await createDatabase({ empty: true });
  await using behind = await createApi({ db: empty.db });
  const ready = await behind.call("GET /api/health/ready", { key: null });
  assertEquals([ready.status, ready.json.code], [503, "migrations_pending"]);
  assertStringIncludes(ready.json.detail, "20261102090000");
});

Deno.test("ready stays 200 when the database is ahead: old code runs on the new schema [39]", async () => {
  await using api = await createApi();
  await api.database.db.script("insert into schema_migrations (version) values ('29990101000000')");
  assertEquals((await api.call("GET /api/health/ready", { key: null })).status, 200);
});

Deno.test("an unmapped constraint is a bug: 500, and the log says which, without its values [17]", async () => {
  await using api = await createApi();
  await api.database.db.script(
    "alter table keys add constraint keys_surprise_check check (name <> 's3cret')",
  );
  const body = { name: "s3cret", scope: "read" };
  const answer = await api.call("POST /api/keys", { body, fails: true });
  assertEquals([answer.status, answer.json.code], [500, "internal_error"]);
  const line = api.log.at(-1)!;
  assertStringIncludes(line, "SQLSTATE 23514 keys_surprise_check on keys");
  assertEquals(line.includes("s3cret"), false);
  assertEquals(answer.text.includes("keys_surprise"), false);
});

Deno.test("a test that gets a 500 names its cause: a missing grant, or a required column that no insert fills", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  const post = () => createSample(api, "users", key);
  await api.database.db.script("revoke insert on users from slate_app");
  await assertRejects(post, Error, "SQLSTATE 42501 permission denied for table users");
  for (
    const change of [
      "grant insert on users to slate_app",
      "alter table users add column badge text not null default 'none'",
      "alter table users alter badge drop default",
    ]
  ) {
    await api.database.db.script(change);
  }
  await assertRejects(post, Error, "POST /api/users answered 500: SQLSTATE 23502 on users.badge");
});

/** Lets PostgreSQL refuse each new key by this error. */
async function refuse(api: TestApi, message: string, code: string) {
  const { db } = api.database;
  await db.script(`
    create or replace function refuse() returns trigger language plpgsql as $$
    begin
      raise exception '${message}' using errcode = '${code}';
    end $$`);
  await db.script(`
    create or replace trigger refuse before insert on keys
      for each row execute function refuse()`);
}

Deno.test("a data exception that the schema let through is 422, and PostgreSQL's words stay here [17]", async () => {
  await using api = await createApi();
  await refuse(api, "s3cret", "22003");
  const answer = await api.call("POST /api/keys", { body: { name: "x", scope: "read" } });
  assertEquals([answer.status, answer.json.code], [422, "invalid_body"]);
  assertEquals(answer.text.includes("s3cret"), false);
});

Deno.test("a conflict that lasts is 503, a statement that is stopped 504, each with Retry-After [17]", async () => {
  await using api = await createApi();
  for (
    const [code, status] of [
      ["40001", 503],
      ["40P01", 503],
      ["57014", 504],
      ["53300", 503],
    ] as const
  ) {
    await refuse(api, "no", code);
    const answer = await api.call("POST /api/keys", { body: { name: "x", scope: "read" } });
    assertEquals(answer.status, status, String(code));
    assertEquals(answer.headers.get("retry-after"), "1");
  }
});

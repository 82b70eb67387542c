/** The account that a person's first token makes [49]. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { type Database, sql } from "../../postgres/mod.ts";
import { createApi } from "../support/api.ts";
import { authBy } from "../support/issuer.ts";
import { holdLock, untilLocked } from "../support/locks.ts";
import { signInApi } from "../support/sign_in.ts";

Deno.test("the first token of a person makes the account, and every later one is the same [49]", async () => {
  await using test = await signInApi();
  const { api, issuer } = test;
  const token = await issuer.sign({
    name: "Ada Lovelace",
    email: "ada@x.example",
    email_verified: true,
  });
  const todo = await api.call("POST /api/todos", { key: token, body: { description: "x" } });
  assertEquals(todo.status, 201);
  const me = await api.call("GET /api/me", { key: await issuer.sign({ name: "another name" }) });
  assertEquals([me.json.name, me.json.email], ["Ada Lovelace", "ada@x.example"]);
  const page = await api.call("GET /api/todos", { key: token });
  assertEquals(page.json.data, [todo.json]);
  const other = await api.call("GET /api/todos", { key: await issuer.sign({ sub: "bob" }) });
  assertEquals(other.json.data, []);
});

Deno.test("the request that makes an account is one statement, as every other [26][49]", async () => {
  await using test = await signInApi();
  const { api, issuer } = test;
  let statements = 0;
  const counting: Database = {
    ...api.db,
    query<Row>(statement: Parameters<Database["query"]>[0]) {
      statements++;
      return api.db.query<Row>(statement);
    },
  };
  await using counted = await createApi({ db: counting, auth: authBy(issuer) });
  for (const body of [{ description: "the first" }, { description: "the second" }]) {
    statements = 0;
    const { status } = await counted.call("POST /api/todos", { key: await issuer.sign(), body });
    assertEquals([status, statements], [201, 1]);
  }
});

Deno.test("20 first requests of a person at once make one account [49]", async () => {
  await using test = await signInApi();
  const { api, issuer } = test;
  const key = await issuer.sign({ sub: "grace", email: "grace@x.example", email_verified: true });
  // Some of them have begun, and wait for this row, before one of them goes on.
  const other = await holdLock(
    api.database.settings,
    "insert into users (name, email) values ('G', 'grace@x.example')",
  );
  const sent = Array.from(
    { length: 20 },
    (_, n) => api.call("POST /api/todos", { key, body: { description: `${n}` } }),
  );
  await untilLocked(api.database.db, "insert into users", 2);
  await other[Symbol.asyncDispose]();
  const answers = await Promise.all(sent);
  assertEquals(answers.map(({ status }) => status), Array(20).fill(201));
  const { json } = await api.call("GET /api/todos?limit=100", { key });
  assertEquals(json.data.length, 20);
});

Deno.test("an account is never joined by an address alone, and takes none that is taken [49]", async (t) => {
  await using test = await signInApi();
  const { api, issuer } = test;
  const byKey = await api.call("GET /api/me");
  const claims = { email: byKey.json.email, email_verified: true };
  const emailOf = async (claims: object) =>
    (await api.call("GET /api/me", { key: await issuer.sign({ ...claims }) })).json;
  await t.step("another user has it", async () => {
    const me = await emailOf({ ...claims, sub: "a" });
    assertNotEquals(me.id, byKey.json.id);
    assertEquals(me.email.endsWith("@users.invalid"), true);
  });
  await t.step("the issuer has not verified it", async () => {
    const me = await emailOf({ sub: "b", email: "free@x.example", email_verified: false });
    assertEquals(me.email.endsWith("@users.invalid"), true);
  });
  await t.step("somebody waits with the address that the same person would get", async () => {
    const { id, email } = await emailOf({ sub: "c" });
    await api.database.db.query(sql`delete from users where id = ${id}`);
    const taken = { key: await api.key("b@example.com"), body: { email } };
    const { json: me } = await api.call("GET /api/me", { key: taken.key });
    assertEquals((await api.call(`PATCH /api/users/${me.id}`, taken)).status, 200);
    const key = await issuer.sign({ sub: "c" });
    // The deleted account is refused once.
    assertEquals((await api.call("GET /api/me", { key })).status, 401);
    assertEquals((await api.call("GET /api/me", { key })).status, 200);
  });
});

Deno.test("a deleted account's token is refused once, and then makes a new account [49]", async () => {
  await using test = await signInApi();
  const { api, issuer } = test;
  const key = await issuer.sign();
  const { json: first } = await api.call("GET /api/me", { key });
  await api.database.db.query(sql`delete from users where id = ${first.id}`);
  assertEquals((await api.call("GET /api/me", { key })).status, 401);
  const { status, json } = await api.call("GET /api/me", { key });
  assertEquals([status, json.id === first.id], [200, false]);
});

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { scopes } from "../../db/_caller.ts";
import { sql } from "../../postgres/mod.ts";
import { type Answer, createApi, type Json, type TestApi } from "../support/api.ts";
import { bodyOf, createSample, fullBodyOf, requiredQuery, sampleBody } from "../support/samples.ts";
import {
  byId,
  call,
  collectionOf,
  open,
  type Operation,
  operations,
  own,
  secured,
  userId,
} from "../support/operations.ts";
import { until } from "../support/pool.ts";

/*
 * Every operation of the document against every rule of [32]-[38]: a new route is covered without
 * anyone remembering, and one that needs a body of its own fails here until it is given one.
 */

/** A step for each operation, so that one that fails hides none of the others. */
async function each(
  t: Deno.TestContext,
  operations: Operation[],
  check: (operation: Operation) => Promise<void>,
) {
  for (const operation of operations) {
    await t.step({
      name: operation.name,
      fn: () => check(operation),
      // The connections that a step opens stay in the pool; the test as a whole closes them.
      sanitizeOps: false,
      sanitizeResources: false,
    });
  }
}

/** An answer without what differs between any two requests. */
function bare({ status, headers, json }: Answer): Json {
  const { request_id: _, ...body } = json;
  const kept = [...headers].filter(([name]) => name !== "x-request-id");
  return { status, headers: kept, body };
}

/** A row of each collection that belongs to the user with this key. */
async function rows(api: TestApi, key: string): Promise<Record<string, number>> {
  const ids: Record<string, number> = {};
  for (const collection of own) ids[collection] = await createSample(api, collection, key);
  ids.users = (await api.call("GET /api/me", { key })).json.id;
  return ids;
}

Deno.test("only the welcome, health, the document and its page need no key [38]", () => {
  const names = open.map(({ name }) => name).sort();
  assertEquals(names, [
    "getDocs",
    "getDocsScript",
    "getDocument",
    "getLiveness",
    "getReadiness",
    "getRoot",
    "getWelcome",
  ]);
  assert(secured.length > open.length);
});

Deno.test("every other operation: a missing, bad, expired, revoked or foreign key is one 401, and nothing is done [33]", async (t) => {
  await using api = await createApi();
  const { db } = api.database;
  const good = await api.key("ada@example.com", "admin");
  const expired = await api.key("ada@example.com", "admin");
  await db.query(sql`
    update keys set expires_at = now() - interval '1 second' where id = ${expired.split("_")[3]}`);
  const revoked = await api.key("ada@example.com", "admin");
  await db.query(sql`delete from keys where id = ${revoked.split("_")[3]}`);
  const ids = await rows(api, good);
  const bad: Record<string, string | null> = {
    none: null,
    "a wrong secret": good.slice(0, -43) + "A".repeat(43),
    "another id": good.replace(/_\d+_(?=.{43}$)/, "_999999_"),
    "another user's number": good.replace(/_\d+_/, `_${await userId(api, "bob@example.com")}_`),
    "nobody's number": good.replace(/_\d+_/, "_999999_"),
    "no owner": good.replace(/_\d+_/, "_"),
    "a longer owner": good.replace(/_\d+_/, "_1000000000000000_"),
    expired,
    revoked,
    "another environment": good.replace("slate_test_", "slate_live_"),
    malformed: "x",
    "no row's id": good.replace(/_\d+_(?=.{43}$)/, "_9007199254740993_"),
  };
  const state = async () =>
    await db.query(sql`
      select database_to_xml(true, false, '')::text as rows`);
  const before = await state();
  await each(t, secured, async (operation) => {
    const seen: Json[] = [];
    for (const [what, key] of Object.entries(bad)) {
      const answer = await call(api, operation, key, ids[collectionOf(operation)]);
      assertEquals([what, answer.status], [what, 401]);
      assert(answer.headers.has("www-authenticate"));
      seen.push(bare(answer));
    }
    for (const answer of seen) assertEquals(answer, seen[0]);
  });
  assertEquals(await state(), before);
});

Deno.test("the scope matrix in full: a narrower key is 403, a wide enough one is not [34]", async (t) => {
  await using api = await createApi();
  await each(t, secured, async (operation) => {
    for (const scope of scopes) {
      const key = await api.key(`${scope}@example.com`, scope);
      const { status } = await call(api, operation, key, "999999");
      const enough = scopes.indexOf(scope) >= scopes.indexOf(operation.scope!);
      assertEquals([scope, status !== 403], [scope, enough]);
      assert(status < 500);
    }
  });
});

Deno.test("every id: another user's row is answered as one that is not there, and stays as it is [10][34]", async (t) => {
  await using api = await createApi();
  const [ada, bob] = [await api.key("ada@example.com"), await api.key("bob@example.com")];
  const ids = await rows(api, ada);
  const seen = () =>
    Promise.all(
      ["me", ...own].map(async (path) => (await api.call(`GET /api/${path}`, { key: ada })).text),
    );
  const before = await seen();
  await each(t, byId, async (operation) => {
    const id = ids[collectionOf(operation)];
    const foreign = await call(api, operation, bob, id);
    const absent = await call(api, operation, bob, "999999");
    assertEquals(foreign.status, 404);
    assertEquals(bare(foreign), bare(absent));
  });
  assertEquals(await seen(), before);
});

/** Every sort of a list, every value of a filter that may match, and all filters at once. */
function queriesOf({ spec }: Operation, ids: Record<string, number>): Record<string, string>[] {
  const parameters: Json[] = (spec.parameters ?? []).filter((p: Json) => p.in === "query");
  const values = ({ name, schema: { type, enum: names, format } }: Json): string[] => {
    if (names) return names;
    if (type === "boolean") return ["true", "false"];
    if (format === "date-time") return ["0001-01-01T00:00:00Z", "9998-01-01T00:00:00Z"];
    if (format === "date") return ["0001-01-01", "9999-01-01"];
    if (name.endsWith("_id")) return Object.values(ids).map(String);
    return type === "integer" ? ["1"] : ["sample"];
  };
  const alone = parameters.filter(({ name }) => !["limit", "cursor"].includes(name))
    .flatMap((parameter) => values(parameter).map((value) => ({ [parameter.name]: value })));
  const required = requiredQuery(spec);
  return [{}, ...alone, Object.assign({}, ...alone)].map((query) => ({ ...required, ...query }));
}

Deno.test("no list shows another user's rows, whatever its sort and filters [34]", async (t) => {
  await using api = await createApi();
  const [ada, bob] = [await api.key("ada@example.com"), await api.key("bob@example.com")];
  const ids = await rows(api, ada);
  for (const { path, method, spec } of secured) {
    // With every field, so that every filter has something to find.
    if (method !== "POST" || !own.includes(path.split("/")[2]!) || path.includes("{id}")) continue;
    const body = fullBodyOf(spec, ids);
    assertEquals((await api.call(`POST ${path}`, { key: ada, body })).status, 201);
  }
  const lists = secured.filter(({ method, spec, scope }) =>
    method === "GET" && scope === "read" && spec.parameters?.some((p: Json) => p.name === "cursor")
  );
  assert(own.every((collection) => lists.some(({ path }) => path === `/api/${collection}`)));
  await each(t, lists, async (list) => {
    for (const query of queriesOf(list, ids)) {
      const path = list.path.replace("{id}", String(ids[collectionOf(list)]));
      const target = `GET ${path}?${new URLSearchParams(query)}`;
      const { status, json } = await api.call(target, { key: bob });
      // Bob's own key is the one row that is his.
      const others = (json.data ?? []).filter(({ id }: Json) => `${id}` !== bob.split("_")[3]);
      assertEquals([target, others], [target, []]);
      assert(status === 200 || (status === 404 && path !== list.path), `${target}: ${status}`);
    }
    // The same lists show them to Ada.
    const seen = list.path.replace("{id}", String(ids[collectionOf(list)]));
    // Changes wait for the transactions of other tests on the same server.
    await until(async () => {
      const { json } = await api.call(`GET ${seen}`, { key: ada });
      return list.path.includes("{id}") || json.data.length > 0;
    });
  });
});

Deno.test("mass assignment: no body takes id, owner_id, version, the timestamps or a secret [35]", async (t) => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  const ids = await rows(api, key);
  const reserved: Json = {
    id: 1,
    owner_id: 1,
    user_id: 1,
    version: 9,
    created_at: "2000-01-01T00:00:00Z",
    updated_at: "2000-01-01T00:00:00Z",
    secret_hash: "00",
    key: "x",
    admin: true,
    ["__proto__"]: { scope: "admin" },
    constructor: {},
  };
  await each(t, secured.filter(({ spec }) => spec.requestBody), async (operation) => {
    for (const [name, value] of Object.entries(reserved)) {
      const body = { ...bodyOf(operation.spec), [name]: value };
      const { status, json } = await call(api, operation, key, ids[collectionOf(operation)], body);
      assertEquals([name, status], [name, 422]);
      assertEquals(json.errors[0].code, "unknown");
    }
  });
});

Deno.test("no header of a request comes back in an answer or in the log [37][41]", async (t) => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  const evil = "evil%0d%0aset-cookie:x";
  await each(t, secured, async (operation) => {
    const path = operation.path.replace("{id}", "999999");
    for (const target of [`${path}?x=${evil}`, path]) {
      const { headers, status } = await api.call(`${operation.method} ${target}`, {
        key,
        body: bodyOf(operation.spec),
        headers: {
          "x-request-id": "evil id; drop",
          "x-forwarded-host": "evil.example",
          "x-forwarded-for": "evil",
          "x-http-method-override": "DELETE",
          host: "evil.example",
          origin: "https://evil.example",
          forwarded: "host=evil.example",
        },
      });
      assert(status < 500);
      const text = [...headers].join("\n");
      assert(!/evil/i.test(text), text);
      assertEquals(headers.get("set-cookie"), null);
    }
  });
  assert(!api.log.join("\n").includes("evil"));
});

Deno.test("every answer: nosniff, no-store where a key was sent, and no header that says what runs here [37]", async (t) => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  await each(t, operations, async (operation) => {
    const { headers } = await call(api, operation, operation.scope ? key : null, "999999");
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("access-control-allow-origin"), null);
    assertEquals([headers.get("server"), headers.get("x-powered-by")], [null, null]);
    if (operation.scope) assertEquals(headers.get("cache-control"), "no-store");
  });
});

Deno.test("no answer and no log line has a secret, except the one answer that shows it [35][41]", async (t) => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  const { json: made } = await api.call("POST /api/keys", { key, body: sampleBody("keys") });
  const secrets = [key, made.key].map((text: string) => text.slice(-43));
  assertNotEquals(secrets[0], secrets[1]);
  await each(t, operations.filter(({ name }) => name !== "deleteUser"), async (operation) => {
    const { text, headers } = await call(api, operation, key, "999999");
    for (const secret of secrets) assert(!`${text} ${[...headers]}`.includes(secret));
  });
  const lines = api.log.join("\n");
  for (const secret of [...secrets, "ada@example.com"]) assert(!lines.includes(secret));
});

Deno.test("every operation that needs a key is limited, and says so [36]", async (t) => {
  await using api = await createApi({ rateLimit: 1 });
  await each(t, secured, async (operation) => {
    const key = await api.key(`${operation.name}@example.com`, "admin");
    const first = await call(api, operation, key, "999999");
    assert(first.headers.has("ratelimit") && first.headers.has("ratelimit-policy"));
    assertEquals((await call(api, operation, key, "999999")).status, 429);
  });
});

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { createSlateClient, type Schemas, SlateError } from "../../client/mod.ts";
import { root } from "../support/root.ts";
import { createApi, type TestApi } from "../support/api.ts";
import { bundleClient } from "../support/bundle.ts";
import { listen } from "../support/socket.ts";

const quick = { backoffMs: 1 };

/** The API as `fetch`, behind whatever `around` does to requests and answers. */
function through(
  api: TestApi,
  around: (send: () => Promise<Response>, request: Request, n: number) => Promise<Response>,
) {
  const seen: Request[] = [];
  const fetch = (request: Request) => {
    seen.push(request.clone());
    return around(() => Promise.resolve(api.app.request(request)), request, seen.length);
  };
  return { seen, fetch };
}

const person = (name: string) => ({ name, email: `${name}@example.com` });

const baseUrl = "http://slate.test";

Deno.test("the client creates, reads, changes and deletes on a real server, typed throughout [31]", async () => {
  await using api = await createApi();
  await using server = listen(api.app);
  const key = await api.key("ada@example.com", "admin");
  const slate = createSlateClient({ baseUrl: server.origin, key });
  const created = await slate.POST("/api/users", { body: person("Bob") });
  const user: Schemas["User"] = created.data!;
  assertEquals([created.response.status, user.name, user.years_old], [201, "Bob", null]);
  const params = { path: { id: user.id } };
  const changed = await slate.PATCH("/api/users/{id}", {
    params: { ...params, header: { "if-match": created.response.headers.get("etag")! } },
    body: { years_old: 41 },
  });
  assertEquals(changed.data?.version, 2);
  const stale = await slate.PATCH("/api/users/{id}", {
    params: { ...params, header: { "if-match": '"1"' } },
    body: { years_old: 42 },
  });
  assertEquals(stale.error?.code, "precondition_failed");
  assertEquals((await slate.DELETE("/api/users/{id}", { params })).response.status, 204);
  assertEquals((await slate.GET("/api/users/{id}", { params })).error?.code, "not_found");
});

Deno.test("list() yields every row of every page and asks for a page when it is needed [31]", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  const { seen, fetch } = through(api, (send) => send());
  const slate = createSlateClient({ baseUrl, key, fetch });
  for (let i = 1; i <= 7; i++) {
    await slate.POST("/api/users", { body: person(`${i}`) });
  }
  const names = async (query: object) =>
    (await Array.fromAsync(slate.list("/api/users", { query }))).map((user) => user.name);
  assertEquals(await names({ limit: 2 }), ["ada", "1", "2", "3", "4", "5", "6", "7"]);
  assertEquals(await names({ limit: 3, sort: "-id" }), ["7", "6", "5", "4", "3", "2", "1", "ada"]);
  seen.length = 0;
  for await (const user of slate.list("/api/users", { query: { limit: 3 } })) {
    if (user.name === "2") break;
  }
  assertEquals(seen.length, 1);
});

Deno.test("list() throws the problem that the server answers with [31]", async () => {
  await using api = await createApi();
  const { fetch } = through(api, (send) => send());
  const slate = createSlateClient({ baseUrl, fetch });
  const error = await assertRejects(() => Array.fromAsync(slate.list("/api/users")), SlateError);
  assertEquals(error.problem.code, "unauthorized");
  // A proxy's, with nothing in it.
  const answer = new Response(null, { status: 502, headers: { "content-length": "0" } });
  const behind = createSlateClient({ baseUrl, retry: false, fetch: () => Promise.resolve(answer) });
  await assertRejects(() => Array.fromAsync(behind.list("/api/users")), Error, "502");
});

Deno.test("a POST whose answer was lost is sent again and done once [31]", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  const { seen, fetch } = through(api, async (send, _, n) => {
    const response = await send();
    if (n < 3) throw new TypeError("connection closed");
    return response;
  });
  const slate = createSlateClient({ baseUrl, key, fetch, retry: quick });
  const { data, response } = await slate.POST("/api/users", { body: person("once") });
  assertEquals([data?.name, response.headers.get("idempotent-replayed")], ["once", "true"]);
  assertEquals(seen.length, 3);
  assertEquals((await api.call("GET /api/users", { key })).json.data.length, 2);
});

Deno.test("the client keeps an Idempotency-Key that the caller has set [31]", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  const { seen, fetch } = through(api, (send) => send());
  const slate = createSlateClient({ baseUrl, key, fetch });
  await slate.POST("/api/users", {
    params: { header: { "idempotency-key": "mine" } },
    body: person("x"),
  });
  assertEquals(seen[0]!.headers.get("idempotency-key"), "mine");
});

Deno.test("GET is sent again after 503 and 429, PATCH and DELETE never [31]", async () => {
  await using api = await createApi();
  const key = await api.key("ada@example.com", "admin");
  const refuse = (status: number, headers: HeadersInit = {}) =>
    through(api, () => Promise.resolve(Response.json({ status }, { status, headers })));
  const params = { path: { id: 1 } };
  type Slate = ReturnType<typeof createSlateClient>;
  const calls: [string, number, (slate: Slate) => Promise<{ response: Response }>][] = [
    ["GET", 3, (slate) => slate.GET("/api/users/{id}", { params })],
    ["PATCH", 1, (slate) => slate.PATCH("/api/users/{id}", { params, body: {} })],
    ["DELETE", 1, (slate) => slate.DELETE("/api/users/{id}", { params })],
  ];
  for (const [method, expected, call] of calls) {
    for (const status of [503, 429]) {
      const { seen, fetch } = refuse(status);
      const slate = createSlateClient({ baseUrl, key, fetch, retry: quick });
      const { response } = await call(slate);
      assertEquals([method, response.status, seen.length], [method, status, expected]);
    }
  }
  const { seen, fetch } = refuse(503, { "retry-after": "3600" });
  const slate = createSlateClient({ baseUrl, key, fetch, retry: quick });
  await slate.GET("/api/me");
  assertEquals(seen.length, 1, "a server that asks for an hour is not asked again");
  const never = refuse(503);
  await createSlateClient({ baseUrl, key, fetch: never.fetch, retry: false }).GET("/api/me");
  assertEquals(never.seen.length, 1);
});

Deno.test("an aborted request is not sent again [31]", async () => {
  await using api = await createApi();
  const controller = new AbortController();
  const { seen, fetch } = through(api, () => {
    controller.abort(new Error("enough"));
    return Promise.resolve(new Response(null, { status: 503 }));
  });
  const slate = createSlateClient({ baseUrl, fetch, retry: { backoffMs: 1000 } });
  await assertRejects(() => slate.GET("/api/me", { signal: controller.signal }), Error, "enough");
  assertEquals(seen.length, 1);
});

const { success: hasNode } = await new Deno.Command("node", { args: ["--version"] }).output()
  .catch(() => ({ success: false }));

Deno.test({
  name: "the client, as one file of JavaScript, works in Node [31]",
  ignore: !hasNode,
  async fn() {
    await using api = await createApi();
    await using server = listen(api.app);
    const key = await api.key("ada@example.com", "admin");
    const folder = await Deno.makeTempDir();
    try {
      const path = join(folder, "slate.mjs");
      await Deno.writeTextFile(path, await bundleClient());
      const program = `
        const { createSlateClient } = await import(process.argv[1]);
        const slate = createSlateClient({ baseUrl: process.argv[2], key: process.argv[3] });
        for (const name of ["one", "two", "three"]) {
          await slate.POST("/api/users", { body: { name, email: name + "@example.com" } });
        }
        for await (const user of slate.list("/api/users", { query: { limit: 1 } })) {
          console.log(user.name);
        }`;
      const { stdout, stderr } = await new Deno.Command("node", {
        args: ["--input-type=module", "--eval", program, path, server.origin, key],
      }).output();
      const decoder = new TextDecoder();
      assertEquals(decoder.decode(stdout), "ada\none\ntwo\nthree\n", decoder.decode(stderr));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("the client's types are those of the document: run `deno task client` [31]", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "schema.ts");
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", "client", path],
      cwd: root,
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    const committed = await Deno.readTextFile(join(root, "client/schema.ts"));
    assertEquals(await Deno.readTextFile(path), committed);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

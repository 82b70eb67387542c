import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { createSlateClient, SlateError } from "../../client/mod.ts";
import { dataOf } from "../../demo/answer.ts";
import { readSettings } from "../../settings.ts";
import { createApi } from "../support/api.ts";
import { root } from "../support/root.ts";

Deno.test("`/` is the demo's page only where it was asked for; else it leads to the docs", async () => {
  await using api = await createApi();
  assertEquals((await api.call("GET /", { key: null })).status, 302);
  assertEquals((await api.call("GET /demo.js", { key: null })).status, 404);

  await using shown = await createApi({ demo: true });
  for (
    const [path, type] of [["/", "text/html"], ["/demo.js", "text/javascript"], [
      "/demo.css",
      "text/css",
    ]]
  ) {
    const answer = await shown.app.request(path!);
    assertEquals([answer.status, answer.headers.get("content-type")], [
      200,
      `${type}; charset=utf-8`,
    ]);
    assertMatch(
      answer.headers.get("content-security-policy")!,
      /^default-src 'none'; script-src 'self';/,
    );
    assert((await answer.text()).length > 100);
  }
  const refused = await shown.app.request("/", { headers: { accept: "application/json" } });
  assertEquals(refused.status, 406);

  const url = "postgres://app@127.0.0.1/slate";
  const shows = (env: Record<string, string>) => readSettings({ DATABASE_URL: url, ...env }).demo;
  assertEquals(
    [
      shows({}),
      shows({ DEMO: "1" }),
      shows({ SLATE_DEV_KEY: "x" }),
      shows({ SLATE_DEV_KEY: "x", DEMO: "0" }),
    ],
    [false, true, true, false],
  );
});

Deno.test("the demo says so where something else than Slate answers", async () => {
  const remove = (response: Response) => {
    const client = createSlateClient({
      baseUrl: "http://slate.test",
      retry: false,
      fetch: () => Promise.resolve(response),
    });
    return dataOf(client.DELETE("/api/todos/{id}", { params: { path: { id: 1 } } }));
  };
  const empty = { "content-length": "0" };
  const page = { "content-type": "text/html" };
  for (
    const [status, response] of [
      [502, new Response(null, { status: 502 })],
      [502, new Response(null, { status: 502, headers: empty })],
      [503, new Response("<p>Later</p>", { status: 503, headers: page })],
      [502, Response.json(null, { status: 502 })],
      [404, Response.json({ message: "no" }, { status: 404 })],
      [200, new Response(null, { headers: empty })],
    ] as const
  ) await assertRejects(() => remove(response), Error, `${status} came back`);
  assertEquals(await remove(new Response(null, { status: 204 })), undefined);
  const problem = { status: 412, code: "precondition_failed", detail: "Get the row again." };
  await assertRejects(
    () => remove(Response.json(problem, { status: 412 })),
    SlateError,
    "412 precondition_failed",
  );
});

Deno.test("demo/demo.js is what `deno task demo` makes of demo.ts and the client", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "demo.js");
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "bundle",
        "--platform=browser",
        "--minify",
        "--quiet",
        `--output=${path}`,
        "demo/demo.ts",
      ],
      cwd: root,
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    const committed = await Deno.readTextFile(join(root, "demo", "demo.js"));
    assertEquals(await Deno.readTextFile(path), committed, "run `deno task demo`");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Access tokens as somebody sends them who means harm, and an issuer that is ill [49]. */
import { assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { Problem } from "../../routes/_problem.ts";
import { Tokens } from "../../routes/_token.ts";
import { createApi } from "../support/api.ts";
import { authBy, startIssuer } from "../support/issuer.ts";

/** An issuer's key set behind a server that answers as it likes. */
function startSick(answer: () => Response) {
  let asked = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    asked++;
    return answer();
  });
  return {
    jwksUrl: `http://127.0.0.1:${server.addr.port}/jwks`,
    asked: () => asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("an issuer without a key set is 503, never a wrong token, and is not asked by each token [43][49]", async (t) => {
  await using issuer = await startIssuer();
  const answers: Record<string, () => Response> = {
    "an error": () => new Response("down", { status: 502 }),
    "a page": () => new Response("<html>"),
    "a redirect": () => Response.redirect("http://127.0.0.1:1/", 302),
  };
  for (const [what, answer] of Object.entries(answers)) {
    await t.step(what, async () => {
      await using sick = startSick(answer);
      const { jwksUrl } = sick;
      const tokens = new Tokens(authBy(issuer, jwksUrl));
      using _ = new FakeTime();
      for (let n = 0; n < 20; n++) {
        const token = await issuer.sign({}, { kid: `unknown ${n}` });
        const problem = await assertRejects(() => tokens.identify(token), Problem);
        assertEquals(problem.code, "issuer_unavailable");
      }
      assertEquals(sick.asked(), 1, "once a second, and the clock stands still");
    });
  }
  await t.step("no set of keys", async () => {
    await using sick = startSick(() => Response.json({ keys: "none" }));
    const { jwksUrl } = sick;
    const tokens = new Tokens(authBy(issuer, jwksUrl));
    const token = await issuer.sign();
    const problem = await assertRejects(() => tokens.identify(token), Problem);
    assertEquals(problem.code, "issuer_unavailable");
  });
});

Deno.test("unknown keys do not have an issuer asked again and again that has fallen ill [43][49]", async () => {
  await using issuer = await startIssuer();
  const { keys } = await (await fetch(`${issuer.url}/jwks`)).json();
  let well = true;
  await using sick = startSick(() =>
    well ? Response.json({ keys }) : new Response("", { status: 500 })
  );
  const { jwksUrl } = sick;
  const tokens = new Tokens(authBy(issuer, jwksUrl));
  assertEquals((await tokens.identify(await issuer.sign()))?.subject, "ada");
  well = false;
  // Later than the key set may be fetched anew.
  using _ = new FakeTime(Date.now() + 61_000);
  for (let n = 0; n < 20; n++) {
    const token = await issuer.sign({}, { kid: `unknown ${n}` });
    await assertRejects(() => tokens.identify(token), Problem);
  }
  assertEquals((await tokens.identify(await issuer.sign({ sub: "bob" })))?.subject, "bob");
  assertEquals(sick.asked(), 2, "once before, and once a second, and the clock stands still");
});

Deno.test("of 500 wrong tokens at once 120 are verified, and a good one is still admitted [43][49]", async () => {
  await using issuer = await startIssuer();
  await using api = await createApi({ auth: authBy(issuer) });
  const address = "192.0.2.9";
  const call = (key: string) => api.call("GET /api/me", { key, address });
  const [head, , signature] = (await issuer.sign()).split(".");
  const body = (n: number) => btoa(JSON.stringify({ sub: `${n}` })).replaceAll("=", "");
  let verified = 0;
  const { verify } = crypto.subtle;
  crypto.subtle.verify = ((...given: Parameters<typeof verify>) => {
    verified++;
    return verify.apply(crypto.subtle, given);
  }) as typeof verify;
  try {
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => call(`${head}.${body(n)}.${signature}`)),
    );
    assertEquals((await call(await issuer.sign())).status, 200);
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, n) => call(`${head}.${body(100 + n)}.${signature}`)),
    );
    assertEquals(answers.filter(({ status }) => status === 401).length, 20);
    assertEquals(answers.filter(({ status }) => status === 429).length, 380);
  } finally {
    crypto.subtle.verify = verify;
  }
  assertEquals(verified, 121);
});

Deno.test("a token counts ten minutes at most after its key was withdrawn, and as long as the issuer is away [49]", async () => {
  await using issuer = await startIssuer();
  await using api = await createApi({ auth: authBy(issuer) });
  const statusAfter = async (minutes: number, key: string) => {
    using _ = new FakeTime(Date.now() + minutes * 60_000);
    return (await api.call("GET /api/todos", { key })).status;
  };
  // On a clock that stands still no connection is opened.
  await api.call("GET /api/todos");
  const inAnHour = { exp: Math.floor(Date.now() / 1000) + 3600 };
  const old = await issuer.sign(inAnHour);
  assertEquals(await statusAfter(0, old), 200);
  await issuer.withdraw();
  assertEquals(await statusAfter(4, old), 200);
  assertEquals(await statusAfter(10, old), 401);
  const current = await issuer.sign(inAnHour);
  assertEquals(await statusAfter(10, current), 200);
  await issuer.stop();
  assertEquals([await statusAfter(20, current), await statusAfter(30, current)], [200, 200]);
});

Deno.test("a person's cursor of changes is good on an instance that has not seen them [49][51]", async () => {
  await using issuer = await startIssuer();
  const auth = authBy(issuer);
  await using first = await createApi({ auth });
  await using second = await createApi({ auth, db: first.db });
  const key = await issuer.sign();
  // The first request of a person knows no number of theirs yet.
  const { json: start } = await first.call("GET /api/changes", { key });
  const path = `GET /api/changes?cursor=${start.next_cursor}`;
  for (const api of [first, second, second]) {
    assertEquals((await api.call(path, { key })).status, 200);
  }
  const other = await second.call(path, { key: await issuer.sign({ sub: "bob" }) });
  assertEquals([other.status, other.json.code], [400, "invalid_cursor"]);
});

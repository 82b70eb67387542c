import { assertEquals } from "@std/assert";
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { Tokens } from "../../routes/_token.ts";
import Provider from "../npm/oidc_provider.ts";
import { createApi } from "../support/api.ts";
import { audience, authBy, startIssuer } from "../support/issuer.ts";
import { signInApi } from "../support/sign_in.ts";

const now = () => Math.floor(Date.now() / 1000);

Deno.test("a token that is not good is the same 401 [33][49]", async (t) => {
  await using test = await signInApi();
  const { api, issuer } = test;
  await using foreign = await startIssuer();
  const payload = { iss: issuer.url, aud: audience, sub: "ada", iat: now(), exp: now() + 300 };
  const pair = await generateKeyPair("ES256", { extractable: true });
  const own = { ...pair, jwk: await exportJWK(pair.publicKey) };
  const good = await issuer.sign();
  const [head, body, signature] = good.split(".");
  const bad: Record<string, string> = {
    expired: await issuer.sign({ iat: now() - 600, exp: now() - 300 }),
    "of the future": await issuer.sign({ nbf: now() + 300 }),
    "of another issuer": await foreign.sign(),
    "in the name of the issuer": await foreign.sign({ iss: issuer.url }),
    "for another audience": await issuer.sign({ aud: "https://other.example.com" }),
    "without a subject": await issuer.sign({ sub: undefined }),
    "with an empty subject": await issuer.sign({ sub: "" }),
    "with a subject that is no text": await issuer.sign({ sub: 5 as unknown as string }),
    "with no text for an issuer": await issuer.sign({ iss: [issuer.url] as unknown as string }),
    "with an end that is no number": await issuer.sign({ exp: `${now() + 300}` as never }),
    "signed by a key that it brings along": await new SignJWT(payload)
      .setProtectedHeader({ alg: "ES256", jwk: own.jwk }).sign(own.privateKey),
    "without an end": await issuer.sign({ exp: undefined }),
    unsigned: new UnsecuredJWT(payload).encode(),
    "signed by the public key as a secret": await new SignJWT(payload)
      .setProtectedHeader({ alg: "HS256" }).sign(issuer.publicKey()),
    "with another body": `${head}.${btoa('{"sub":"root"}').replaceAll("=", "")}.${signature}`,
    "of a key that nobody has": await issuer.sign({}, { kid: "nobody" }),
    "cut off": `${head}.${body}.`,
  };
  const answer = await api.call("GET /api/me", { key: "slate_test_1_1_x" });
  for (const [what, key] of Object.entries(bad)) {
    await t.step(what, async () => {
      const { status, json, headers } = await api.call("GET /api/me", { key });
      assertEquals([status, json.code], [401, "unauthorized"]);
      assertEquals({ ...json, request_id: "" }, { ...answer.json, request_id: "" });
      assertEquals(headers.get("www-authenticate"), answer.headers.get("www-authenticate"));
    });
  }
});

Deno.test("the scope claim says what a token may do [34][49]", async (t) => {
  await using test = await signInApi();
  const { api, issuer } = test;
  const cases: [scope: string | undefined, get: number, post: number, users: number][] = [
    ["slate:read", 200, 403, 403],
    ["openid slate:write slate:read", 200, 201, 403],
    ["slate:admin", 200, 201, 200],
    ["openid read", 403, 403, 403],
    [undefined, 403, 403, 403],
  ];
  const { json: refused } = await api.call("GET /api/users", { key: await issuer.sign() });
  // Whatever was sent, an API key is not what was wrong.
  assertEquals(/key/i.test(refused.title + refused.detail), false, refused.title);
  for (const [scope, ...expected] of cases) {
    await t.step(`${scope}`, async () => {
      const key = await issuer.sign({ scope });
      const statuses = [
        (await api.call("GET /api/todos", { key })).status,
        (await api.call("POST /api/todos", { key, body: { description: "x" } })).status,
        (await api.call("GET /api/users", { key })).status,
      ];
      assertEquals(statuses, expected);
    });
  }
});

Deno.test("who signs in makes API keys of their own, no wider than the token [46][49]", async () => {
  await using test = await signInApi();
  const { api, issuer } = test;
  const key = await issuer.sign();
  const made = await api.call("POST /api/keys", { key, body: { name: "ci", scope: "write" } });
  assertEquals(made.status, 201);
  const me = await api.call("GET /api/me", { key: made.json.key });
  assertEquals(me.json, (await api.call("GET /api/me", { key })).json);
  const admin = await api.call("POST /api/keys", { key, body: { name: "ci", scope: "admin" } });
  assertEquals(admin.status, 403);
});

Deno.test("a rotated key is found, and an unknown one asked for once a minute at most [49]", async () => {
  await using issuer = await startIssuer();
  const tokens = new Tokens(authBy(issuer));
  assertEquals((await tokens.identify(await issuer.sign()))?.subject, "ada");
  for (let n = 0; n < 5; n++) {
    assertEquals(await tokens.identify(await issuer.sign({}, { kid: `unknown ${n}` })), undefined);
  }
  assertEquals(issuer.fetched() <= 2, true, `the key set was asked for ${issuer.fetched()} times`);
  await issuer.rotate();
  const later = new Tokens(authBy(issuer));
  assertEquals((await later.identify(await issuer.sign()))?.subject, "ada");
});

Deno.test("an issuer that is away harms nobody who was here, and is 503 for others [49]", async () => {
  await using test = await signInApi();
  const { api, issuer } = test;
  const known = await issuer.sign({ sub: "known" });
  assertEquals((await api.call("GET /api/me", { key: known })).status, 200);
  const sameKey = await issuer.sign({ sub: "new" });
  await issuer.stop();
  assertEquals((await api.call("GET /api/me", { key: known })).status, 200);
  assertEquals((await api.call("GET /api/me", { key: sameKey })).status, 200);
  assertEquals((await api.call("GET /api/me")).status, 200);

  await using gone = await createApi({ auth: authBy(issuer) });
  const answer = await gone.call("GET /api/me", { key: known });
  assertEquals([answer.status, answer.json.code], [503, "issuer_unavailable"]);
  assertEquals(answer.headers.has("retry-after"), true);
  assertEquals((await gone.call("GET /api/me")).status, 200);
});

Deno.test({
  name: "the access token of a real OpenID provider is taken [49]",
  // Its server and its keep-alive sockets are Node's, and close in their own time.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const { createServer } = await import("node:http");
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const { port } = listener.address() as { port: number };
    const url = `http://127.0.0.1:${port}`;
    const provider = new Provider(url, {
      clients: [{
        client_id: "robot",
        client_secret: "a-secret-of-this-test",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      }],
      scopes: ["slate:read", "slate:write"],
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: () => ({
            scope: "slate:read slate:write",
            accessTokenFormat: "jwt",
            jwt: { sign: { alg: "RS256" } },
          }),
        },
      },
    });
    listener.on("request", provider.callback());
    try {
      await using api = await createApi({
        auth: { issuer: url, audiences: [audience], answerMs: 120_000 },
      });
      const response = await fetch(`${url}/token`, {
        method: "POST",
        headers: { authorization: `Basic ${btoa("robot:a-secret-of-this-test")}` },
        body: new URLSearchParams({
          grant_type: "client_credentials",
          scope: "slate:write",
          resource: audience,
        }),
      });
      const { access_token, error_description } = await response.json();
      assertEquals([response.status, error_description], [200, undefined]);
      const todo = await api.call("POST /api/todos", {
        key: access_token,
        body: { description: "by a robot" },
      });
      assertEquals(todo.status, 201);
      assertEquals((await api.call("GET /api/me", { key: access_token })).json.name, "robot");
    } finally {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    }
  },
});

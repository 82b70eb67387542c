import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

/** An issuer of access tokens on the loopback, which signs whatever a test wants. */
export interface Issuer extends AsyncDisposable {
  url: string;
  /** How often its key set was asked for. */
  fetched(): number;
  /** A token, good unless something is said. */
  sign(claims?: JWTPayload, header?: Record<string, unknown>): Promise<string>;
  /** From now on it signs by another key; the key set has it. */
  rotate(): Promise<void>;
  /** The key set is without all keys of before; it has a new one. */
  withdraw(): Promise<void>;
  /** The public key in PEM-like bytes, as somebody would misuse it as a secret. */
  publicKey(): Uint8Array;
  stop(): Promise<void>;
}

export const audience = "https://slate.example.com";

/** What an API needs to take its tokens; on a slow machine it may take long to say its keys. */
export function authBy({ url: issuer }: Issuer, jwksUrl?: string) {
  return { issuer, audiences: [audience], jwksUrl, answerMs: 120_000 };
}

export async function startIssuer(): Promise<Issuer> {
  let fetched = 0;
  let key = await makeKey();
  const keys = [key.jwk];
  let url = "";
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/.well-known/openid-configuration") {
      return Response.json({ issuer: url, jwks_uri: `${url}/jwks` });
    }
    fetched++;
    return Response.json({ keys });
  });
  url = `http://127.0.0.1:${server.addr.port}`;
  return {
    url,
    fetched: () => fetched,
    sign(claims = {}, header = {}) {
      const now = Math.floor(Date.now() / 1000);
      const payload = { iss: url, aud: audience, sub: "ada", iat: now, exp: now + 300, ...claims };
      return new SignJWT({ scope: "slate:write", ...payload })
        .setProtectedHeader({ alg: "ES256", kid: key.jwk.kid, ...header })
        .sign(key.privateKey);
    },
    async rotate() {
      key = await makeKey();
      keys.push(key.jwk);
    },
    async withdraw() {
      key = await makeKey();
      keys.splice(0, keys.length, key.jwk);
    },
    publicKey: () => new TextEncoder().encode(JSON.stringify(key.jwk)),
    stop: () => server.shutdown(),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function makeKey() {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const jwk = { ...await exportJWK(publicKey), kid: crypto.randomUUID(), alg: "ES256", use: "sig" };
  return { privateKey, jwk };
}

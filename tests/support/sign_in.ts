import type { Database } from "../../postgres/mod.ts";
import { createApi } from "./api.ts";
import { audience, startIssuer } from "./issuer.ts";

/** An API that takes the tokens of an issuer of its own. */
export async function signInApi(options: { db?: Database } = {}) {
  const issuer = await startIssuer();
  const api = await createApi({ ...options, auth: { issuer: issuer.url, audiences: [audience] } });
  return {
    issuer,
    api,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await issuer[Symbol.asyncDispose]();
    },
  };
}

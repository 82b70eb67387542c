import type { Database } from "../../postgres/mod.ts";
import { createApi } from "./api.ts";
import { authBy, startIssuer } from "./issuer.ts";

/** An API that takes the tokens of an issuer of its own. */
export async function signInApi(options: { db?: Database } = {}) {
  const issuer = await startIssuer();
  const api = await createApi({ ...options, auth: authBy(issuer) });
  return {
    issuer,
    api,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await issuer[Symbol.asyncDispose]();
    },
  };
}

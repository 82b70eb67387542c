import { identified, type Identity } from "./_identity.ts";
import type { Scope } from "./_scope.ts";
import { sql, type Statement } from "../postgres/mod.ts";

export { type Scope, scopes } from "./_scope.ts";

/** What a caller sends: an API key, or who they are to an issuer that was asked for it. */
export type Credential = KeyCredential | Identity;

/** The key's owner and id, as the key says, and the digest of its secret. */
export interface KeyCredential {
  ownerId: string;
  keyId: string;
  /** SHA-256 of the secret in hexadecimal. */
  hash: string;
}

const includes = {
  read: sql`k.scope in ('read', 'write', 'admin')`,
  write: sql`k.scope in ('write', 'admin')`,
  admin: sql`k.scope = 'admin'`,
};

/**
 * The CTE `caller`: one row if the credential is good, else none. Every statement begins with it, so
 * that one round trip proves the caller and does the work. `id` is the user, `allowed` whether the
 * credential's scope includes the one that the statement needs.
 *
 * Both digests are hashed again with a nonce, so that the time that their comparison takes says
 * nothing about the stored one (double-HMAC verification). For a key that is unknown or has ended, the
 * nonce takes the place of the digest and equals none: it is the same work, in the same time.
 */
export function caller(credential: Credential, scope: Scope): Statement {
  if ("issuer" in credential) return identified(credential, scope);
  const { ownerId, keyId, hash } = credential;
  return sql`caller as materialized (
      select k.owner_id as id, ${includes[scope]} as allowed, k.scope = 'admin' as admin
      from keys k
      right join (select uuid_send(gen_random_uuid()) as nonce) blind
        on k.owner_id = ${ownerId} and k.id = ${keyId}
      where sha256(
          coalesce(
            case when least(k.expires_at, k.replaced_at) <= now() then null else k.secret_hash end,
            blind.nonce
          ) || blind.nonce
        ) = sha256(decode(${hash}, 'hex') || blind.nonce)
    )`;
}

/**
 * For every `where`, beside `owner_id`: the owner that a credential names counts only if the caller is
 * proven, and if the scope allows what the statement does.
 */
export const allowed = sql`(select allowed from caller)`;

import { sql, type Statement } from "../postgres/mod.ts";

/** Each scope holds the ones before it. */
export const scopes = ["read", "write", "admin"] as const;
export type Scope = typeof scopes[number];

/** What a caller shows: the key's public id, and the SHA-256 of its secret in hexadecimal. */
export interface Key {
  id: string;
  hash: string;
}

/** What each statement says of who asked. No row at all: the key is unknown, wrong or expired. */
export interface Asked {
  caller_id: string;
  /** The key's scope holds the one that the statement needs. */
  allowed: boolean;
}

const holders = {
  read: sql`k.scope in ('read', 'write', 'admin')`,
  write: sql`k.scope in ('write', 'admin')`,
  admin: sql`k.scope = 'admin'`,
};

/**
 * The CTE `caller`, of one row or none: id (the user), allowed, admin. Every statement begins with
 * it and works on behalf of `(select id from caller where allowed)`, so that a request proves who
 * is asking and does its work in one round trip.
 *
 * Both digests are hashed again with a nonce, so that the time that their comparison takes says
 * nothing about the stored one (double-HMAC verification).
 */
export function caller(key: Key, scope: Scope): Statement {
  return sql`
    caller as materialized (
      select k.owner_id as id, ${holders[scope]} as allowed, k.scope = 'admin' as admin
      from keys k, (select uuid_send(gen_random_uuid()) as nonce) blind
      where k.id = ${key.id}
        and sha256(k.secret_hash || blind.nonce) = sha256(decode(${key.hash}, 'hex') || blind.nonce)
        and (k.expires_at is null or k.expires_at > now())
        and (k.replaced_at is null or k.replaced_at > now())
    )`;
}

/** For a statement's `where`: the row belongs to a caller who may do what the statement does. */
export const owned = sql`t.owner_id = (select id from caller where allowed)`;

/** Who asks, and nothing else: for a request that fails before its own statement. */
export function proof(key: Key, scope: Scope): Statement {
  return sql`
    with ${caller(key, scope)}
    select caller.id as caller_id, caller.allowed
    from caller`;
}

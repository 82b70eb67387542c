import { type Asked, type Key, owned, proof, type Scope } from "./_caller.ts";
import { createRow, type Idempotency } from "./_create.ts";
import { deleteRow, getPage, shown, stamps, utc } from "./_shapes.ts";
import { byId, type PageRequest } from "./_sort.ts";
import { type Database, sql } from "../postgres/mod.ts";

export interface KeyFields {
  name: string;
  scope: Scope;
  /** RFC 3339; null: never. */
  expires_at: string | null;
}

/** What a key shows, of table `t`: never its digest. It ends when it expires or is replaced. */
export const keyColumns = sql`
  t.id,
  t.name,
  t.scope,
  ${utc(sql`least(t.expires_at, t.replaced_at)`)} as expires_at,
  ${stamps}`;

export const keySorts = { id: byId };

const rows = {
  from: sql`keys t`,
  shown: shown(keyColumns),
  // One's own, and no mightier than the key that asks: otherwise it could make itself mightier.
  visible: sql`${owned} and (t.scope <> 'admin' or (select admin from caller))`,
};

/** Who asks, and nothing else: for a request that fails before its own statement. */
export function proveKey(db: Database, key: Key, scope: Scope): Promise<Asked[]> {
  return db.query(proof(key, scope));
}

export function listKeys(
  db: Database,
  key: Key,
  { descending, after, limit }: PageRequest<"id">,
) {
  // All of one's own, the mightier ones as well.
  const own = { ...rows, visible: owned };
  return getPage(db, key, "read", own, byId.order(descending, after), limit);
}

/** `hash` is the new secret's SHA-256 in hexadecimal. Only an admin key makes admin keys. */
export function createKey(
  db: Database,
  key: Key,
  fields: KeyFields,
  hash: string,
  idempotency?: Idempotency,
) {
  return createRow(
    db,
    { key, scope: fields.scope === "admin" ? "admin" : "write", idempotency },
    sql`
      insert into keys as t (owner_id, name, scope, secret_hash, expires_at)
      select
        caller.id, ${fields.name}, ${fields.scope}, decode(${hash}, 'hex'),
        ${fields.expires_at}::timestamptz
      from caller`,
    rows.shown,
  );
}

/**
 * A successor with the same name, scope and lifetime. The old key goes on for `overlap` seconds, so
 * that a fleet can change over; an earlier end that it had stays.
 */
export function rotateKey(
  db: Database,
  key: Key,
  id: string,
  overlap: number,
  hash: string,
  idempotency?: Idempotency,
) {
  return createRow(
    db,
    {
      key,
      scope: "write",
      idempotency,
      before: sql`
        old as (
          update keys t
          set replaced_at = least(t.replaced_at, now() + make_interval(secs => ${overlap}))
          where t.id = ${id} and ${rows.visible} and not exists (select from remembered)
          returning t.*
        ),`,
    },
    sql`
      insert into keys as t (owner_id, name, scope, secret_hash, expires_at)
      select
        old.owner_id, old.name, old.scope, decode(${hash}, 'hex'),
        now() + (old.expires_at - old.created_at)
      from caller, old`,
    rows.shown,
  );
}

export function deleteKey(db: Database, key: Key, id: string) {
  return deleteRow(db, key, rows, id);
}

/**
 * The first key of an installation, or another one: the user with this address, made if missing,
 * gets a key. For the command line, where whoever can open the database needs no other proof.
 */
export function installKey(
  db: Database,
  fields: { email: string; scope: Scope; name: string; hash: string },
): Promise<{ id: string }[]> {
  return db.query(sql`
    with made as (
      insert into users (name, email)
      values (${fields.email.split("@")[0]!.slice(0, 100)}, ${fields.email})
      on conflict (lower(email)) do nothing
      returning id
    ),
    owner as (
      select id from made
      union all
      select id from users where lower(email) = lower(${fields.email})
      limit 1
    )
    insert into keys (owner_id, name, scope, secret_hash)
    select owner.id, ${fields.name}, ${fields.scope}, decode(${fields.hash}, 'hex')
    from owner
    returning id`);
}

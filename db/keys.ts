import { allowed, caller, type Credential, type Scope } from "./_caller.ts";
import { type Created, type Idempotency, once } from "./_idempotency.ts";
import { byId, mostRows, type Page, page, type PageRequest } from "./_page.ts";
import {
  type Authorization,
  type Changed,
  json,
  matches,
  timestamps,
  utc,
  type Versions,
  written,
} from "./_row.ts";
import { type Database, sql, type Statement } from "../postgres/mod.ts";

export interface KeyFields {
  name: string;
  scope: Scope;
  /** RFC 3339; null: never. */
  expires_at: string | null;
}

/**
 * What a key shows, of `keys t`: never its digest. It ends when it expires or is replaced.
 */
export const keyColumns = sql`t.id, t.name, t.scope,
        ${utc(sql`least(t.expires_at, t.replaced_at)`)} as expires_at,
        ${timestamps}, t.version`;

/** The ways to sort a list of keys, the default first. */
export const keySorts = { id: byId };

/** A key changes only those whose scope is no wider than its own: else it could widen itself. */
const noWider = sql`(t.scope <> 'admin' or (select admin from caller))`;

/**
 * The CTE `maker`: when the key that asks ends; null where it never does, and for who signs in by an
 * issuer.
 */
function maker(credential: Credential): Statement {
  if ("issuer" in credential) return sql`maker as (select null::timestamptz as ends_at)`;
  return sql`maker as materialized (
      select least(m.expires_at, m.replaced_at) as ends_at
      from keys m
      where m.owner_id = ${credential.ownerId} and ${allowed} and m.id = ${credential.keyId}
    )`;
}

/** Who asks, and nothing else: for a request that fails before its own statement. */
export function proveCaller(
  db: Database,
  credential: Credential,
  scope: Scope,
): Promise<Authorization[]> {
  return db.read(sql`
    with ${caller(credential, scope)}
    select caller.id as caller_id, caller.allowed
    from caller`);
}

export function listKeys(
  db: Database,
  credential: Credential,
  request: PageRequest<keyof typeof keySorts>,
): Promise<Page[]> {
  const order = keySorts[request.sort].order(request);
  return db.read(sql`
    with ${caller(credential, "read")},
    rows as (
      select ${json(keyColumns)} as body, t.id, ${order.value} as sort_value
      from keys t
      where t.owner_id = ${credential.ownerId} and ${allowed} and ${order.after}
      order by ${order.by}
      ${mostRows}
    ),
    ${page(request.limit)}
    select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
    from caller, page`);
}

/**
 * `hash` is the new secret's SHA-256 in hexadecimal. Only an admin key makes admin keys, and none
 * makes one that outlives it.
 */
export function createKey(
  db: Database,
  credential: Credential,
  key: KeyFields,
  hash: string,
  idempotency?: Idempotency,
): Promise<Created[]> {
  const scope = key.scope === "admin" ? "admin" : "write";
  return once(db, credential, idempotency, ({ remembered, isNew, answer }) =>
    sql`
    with ${caller(credential, scope)},
    ${remembered},
    ${maker(credential)},
    created as (
      insert into keys as t (owner_id, name, scope, secret_hash, expires_at)
      select
        ${credential.ownerId}::bigint, ${key.name}, ${key.scope}, decode(${hash}, 'hex'),
        least(${key.expires_at}::timestamptz, (select ends_at from maker))
      from caller
      where caller.allowed and ${isNew}
      returning t.id, ${json(keyColumns)} as body, t.version
    )
    ${answer}`);
}

/**
 * A successor with the same name, scope and lifetime, which does not outlive the key that asks. The
 * old key goes on for `overlap` seconds, so that a fleet can change over. Each key has one successor.
 */
export function rotateKey(
  db: Database,
  credential: Credential,
  id: string,
  overlap: number,
  hash: string,
  idempotency?: Idempotency,
): Promise<Created[]> {
  const { ownerId } = credential;
  return once(db, credential, idempotency, ({ remembered, isNew, answer }) =>
    sql`
    with ${caller(credential, "write")},
    ${remembered},
    ${maker(credential)},
    old as (
      update keys t
      set replaced_at = now() + make_interval(secs => ${overlap})
      where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id} and ${noWider}
        and t.replaced_at is null and ${isNew}
      returning t.*
    ),
    created as (
      insert into keys as t (owner_id, name, scope, secret_hash, expires_at)
      select
        ${ownerId}::bigint, old.name, old.scope, decode(${hash}, 'hex'),
        least(
          (now() at time zone 'UTC' + (old.expires_at - old.created_at)) at time zone 'UTC',
          (select ends_at from maker)
        )
      from caller, old
      where caller.allowed
      returning t.id, ${json(keyColumns)} as body, t.version
    )
    ${answer}`);
}

/** Revokes the key immediately. */
export function deleteKey(
  db: Database,
  credential: Credential,
  id: string,
  versions?: Versions,
): Promise<Changed[]> {
  const { ownerId } = credential;
  return db.query(sql`
    with ${caller(credential, "write")},
    deleted as (
      delete from keys t
      where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id} and ${noWider}
        and ${matches(versions)}
      returning t.version
    )
    select
      caller.id as caller_id, caller.allowed,
      deleted.version is not null or exists (
        select from keys t
        where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id} and ${noWider}
      ) as present,
      null as body, deleted.version, ${written}
    from caller left join deleted on true`);
}

/** Whether an account has this address, in whatever case. For the command line, as installKey(). */
export function findAccount(db: Database, email: string): Promise<{ id: string }[]> {
  return db.read(sql`
    select id
    from users
    where lower(email) = lower(${email})`);
}

/**
 * The first key of an installation, or another one: the user with this address, made if missing,
 * gets a key. For the command line, where whoever can open the database needs no other proof.
 */
export function installKey(
  db: Database,
  key: { email: string; scope: Scope; name: string; hash: string },
): Promise<{ owner_id: string; id: string }[]> {
  return db.query(sql`
    with made as (
      insert into users (name, email)
      values (${key.email.split("@")[0]!.slice(0, 100)}, ${key.email})
      on conflict (lower(email)) do nothing
      returning id
    ),
    owner as materialized (
      select id from made
      union all
      select id from users where lower(email) = lower(${key.email})
      limit 1
    ),
    installed as (
      insert into keys (owner_id, name, scope, secret_hash)
      select owner.id, ${key.name}, ${key.scope}, decode(${key.hash}, 'hex')
      from owner
      returning owner_id, id
    )
    select installed.owner_id, installed.id
    from installed`);
}

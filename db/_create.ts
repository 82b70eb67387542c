import { caller, type Key, type Scope } from "./_caller.ts";
import { type Found, type Written, written } from "./_shapes.ts";
import { type Database, DatabaseError, sql, type Statement } from "../postgres/mod.ts";

export interface Created extends Found, Written {
  id: string | null;
  /** The answer was remembered from an earlier request with the same idempotency key. */
  replayed: boolean;
  /** That earlier request had another body. */
  reused: boolean;
}

/** SQLSTATE. */
const uniqueViolation = "23505";

/** A request that may be sent twice and must be done once. */
export interface Idempotency {
  /** The same key may be sent to each operation. */
  operation: string;
  key: string;
  /** SHA-256 of the request's body in hexadecimal. */
  hash: string;
}

/**
 * Creates a row, once: with an idempotency key the answer is remembered in the same statement.
 * `insert` ends after its `from caller`; `shown` is what it returns of the row. Two requests at once:
 * the second waits for the first, fails on what the first has taken, at the latest on the primary key
 * of the remembered answers, which undoes all of it, and is run again to find the answer.
 */
export async function createRow(
  db: Database,
  options: {
    key: Key;
    scope: Scope;
    idempotency: Idempotency | undefined;
    before?: Statement; // a CTE that `insert` reads, with its comma
  },
  insert: Statement,
  shown: Statement,
): Promise<Created[]> {
  const { key, scope, idempotency, before = sql`` } = options;
  const created = sql`
    ${insert}
    where caller.allowed and not exists (select from remembered)
    returning t.id, ${shown}`;
  if (!idempotency) {
    return await db.query(sql`
      with ${caller(key, scope)},
      remembered as (select where false),
      ${before}
      created as (${created})
      select
        caller.id as caller_id,
        caller.allowed,
        created.id,
        created.body,
        created.version,
        false as replayed,
        false as reused,
        ${written}
      from caller left join created on true`);
  }
  const mine = sql`
    r.owner_id = (select id from caller where allowed)
      and r.route = ${idempotency.operation}
      and r.key = ${idempotency.key}`;
  const statement = sql`
    with ${caller(key, scope)},
    remembered as (
      select r.row_id, r.row_version, r.body, r.request_hash = decode(${idempotency.hash}, 'hex') as same
      from idempotency_keys r
      where ${mine} and r.expires_at > now()
    ),
    -- This key's own old answer, and a few of anybody's in passing: an "or" of both has no index.
    stale as (
      delete from idempotency_keys r
      where ${mine} and r.expires_at <= now()
      returning 1
    ),
    swept as (
      delete from idempotency_keys r
      where not (${mine}) and r.ctid = any (array(
        select o.ctid
        from idempotency_keys o
        where o.expires_at <= now()
        order by o.expires_at
        limit 2
        for update skip locked
      ))
    ),
    ${before}
    created as (${created}),
    kept as (
      insert into idempotency_keys
        (owner_id, route, key, request_hash, row_id, row_version, body)
      select
        caller.id, ${idempotency.operation}, ${idempotency.key}, decode(${idempotency.hash}, 'hex'),
        created.id, created.version, created.body
      from caller, created
      -- After the old answer is gone, which this reads.
      where (select count(*) from stale) >= 0
    )
    select
      caller.id as caller_id,
      caller.allowed,
      coalesce(created.id, remembered.row_id) as id,
      coalesce(created.body, remembered.body) as body,
      coalesce(created.version, remembered.row_version) as version,
      remembered.same is not null as replayed,
      remembered.same is false as reused,
      ${written}
    from caller left join created on true left join remembered on true`;
  try {
    return await db.query(statement);
  } catch (error) {
    // The first of two may have taken a unique value as well, which the second meets before the key.
    const raced = error instanceof DatabaseError && error.code === uniqueViolation;
    if (!raced) throw error;
    return await db.query(statement);
  }
}

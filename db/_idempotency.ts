import { allowed, type Credential } from "./_caller.ts";
import { type Found, type Written, written } from "./_row.ts";
import {
  type Database,
  type DatabaseError,
  retriedOn,
  sql,
  type Statement,
} from "../postgres/mod.ts";

/** A row that was created, or the answer of an earlier request with the same idempotency key. */
export interface Created extends Found, Written {
  id: string | null;
  /** It is the answer of that earlier request. */
  replayed: boolean;
  /** That earlier request had another body. */
  reused: boolean;
}

/** A request that may be sent twice and must be done once. */
export interface Idempotency {
  /** The same key may be sent to each operation. */
  operation: string;
  key: string;
  /** SHA-256 of the request's body in hexadecimal. */
  hash: string;
}

/** The fragments around the CTE `created`, which gives the new row's id, body and version. */
interface Fragments {
  /** The CTE `remembered`: the answer that was given before, if any. */
  remembered: Statement;
  /** The condition of the insert: no answer was given before. */
  isNew: Statement;
  /** Remembers the new answer, and gives it or the remembered one. */
  answer: Statement;
}

function withoutKey(also: Statement): Fragments {
  return {
    remembered: sql`remembered as (select where false)`,
    // To ask the CTE costs PostgreSQL 3 % of a create.
    isNew: sql`true`,
    answer: sql`
    select
      caller.id as caller_id, caller.allowed,
      created.id, created.body, created.version,
      false as replayed, false as reused, ${written}${also}
    from caller left join created on true`,
  };
}

/**
 * With an idempotency key the answer is remembered in the same statement. Expired answers go in
 * passing, this key's own and two more of the same user: an "or" of both has no index.
 */
function withKey(
  { ownerId }: Credential,
  { operation, key, hash }: Idempotency,
  also: Statement,
): Fragments {
  return {
    remembered: sql`remembered as (
      select r.row_id, r.row_version, r.body, r.request_hash = decode(${hash}, 'hex') as same
      from idempotency_keys r
      where r.owner_id = ${ownerId} and ${allowed}
        and r.route = ${operation} and r.key = ${key} and r.expires_at > now()
    ),
    expired as (
      delete from idempotency_keys r
      using (
        select own.route, own.key
        from idempotency_keys own
        where own.owner_id = ${ownerId} and ${allowed}
          and own.route = ${operation} and own.key = ${key} and own.expires_at <= now()
        union all
        select oldest.route, oldest.key
        from (
          select o.route, o.key
          from idempotency_keys o
          where o.owner_id = ${ownerId} and ${allowed} and o.expires_at <= now()
          order by o.expires_at
          limit 2
          for update skip locked
        ) oldest
      ) old
      where r.owner_id = ${ownerId} and ${allowed} and r.route = old.route and r.key = old.key
      returning 1
    )`,
    isNew: sql`not exists (select from remembered)`,
    answer: sql`,
    kept as (
      insert into idempotency_keys
        (owner_id, route, key, request_hash, row_id, row_version, body)
      select
        ${ownerId}::bigint, ${operation}, ${key}, decode(${hash}, 'hex'),
        created.id, created.version, created.body
      from caller, created
      -- Counting them lets the expired ones go first, whose key this one may have.
      where caller.allowed and (select count(*) from expired) >= 0
    )
    select
      caller.id as caller_id, caller.allowed,
      coalesce(created.id, remembered.row_id) as id,
      coalesce(created.body, remembered.body) as body,
      coalesce(created.version, remembered.row_version) as version,
      remembered.same is not null as replayed, remembered.same is false as reused, ${written}${also}
    from caller left join created on true left join remembered on true`,
  };
}

/** A unique or an exclusion constraint. */
const isTaken = ({ code }: DatabaseError) => code === "23505" || code === "23P01";

/**
 * Runs a statement that creates a row, once for each idempotency key. Of two at once the second
 * waits for the first and fails on what that one has taken, at the latest on the primary key of the
 * remembered answers, which undoes all of it; run again, it finds the answer. `also`: further columns.
 */
export function once<Row extends Created>(
  db: Database,
  credential: Credential,
  idempotency: Idempotency | undefined,
  compose: (fragments: Fragments) => Statement,
  also = sql``,
): Promise<Row[]> {
  if (!idempotency) return db.query(compose(withoutKey(also)));
  const statement = compose(withKey(credential, idempotency, also));
  return retriedOn(isTaken, () => db.query(statement));
}

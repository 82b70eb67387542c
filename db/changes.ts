import { allowed, caller, type Credential } from "./_caller.ts";
import { type Authorization, json, utc } from "./_row.ts";
import { studentColumns } from "./students.ts";
import { todoColumns } from "./todos.ts";
import { type Database, sql } from "../postgres/mod.ts";

/** What can be followed, in the order in which one transaction's changes come. */
export const kinds = ["student", "todo"] as const;

/** After which change a page starts. */
export interface Place {
  /** The number of its transaction; "0" at the beginning. */
  transaction: string;
  kind: string;
  id: string;
}

export interface Changes extends Authorization {
  /** A JSON array as text: of each change its kind, id, whether it is a deletion, and the row. */
  data: string;
  more: boolean;
  /** What was deleted since is not known any more, or the place is of no transaction yet. */
  expired: boolean;
  /** Whose count the transactions' numbers are. A place means nothing in another's. */
  history: string;
  /** The last change of the page; null where it is empty. */
  last_transaction: string | null;
  last_kind: string | null;
  last_id: string | null;
  /** When it was read. */
  read_at: string;
}

/** No id is after this one. */
const last = String(2n ** 63n - 1n);

/**
 * What has changed after a place. `since` is when the caller had seen everything. Each source is read
 * in the order of its index and no further than a page, with a constant for the plan, as in _page.ts.
 *
 * A row has the number of the transaction that changed it. Below the snapshot's `xmin` none is open, so
 * nothing can appear there any more; what is above waits, and comes later. The rows of the page are
 * read by their keys when it is known which they are.
 */
export function listChanges(
  db: Database,
  credential: Credential,
  { transaction, kind, id }: Place,
  since: string | null,
  limit: number,
): Promise<Changes[]> {
  const { ownerId } = credential;
  const isAfter = (own: typeof kinds[number]) => {
    const after = own === kind ? id : own < kind ? last : "0";
    return sql`(t.changed_in, t.id) > (${transaction}::xid8, ${after}::bigint)
          and t.changed_in < pg_snapshot_xmin(pg_current_snapshot())`;
  };
  return db.read(sql`
    with ${caller(credential, "read")},
    changes as (
      (
        select t.changed_in, 'student' as kind, t.id, false as deleted
        from students t
        where t.owner_id = ${ownerId} and ${allowed} and ${isAfter("student")}
        order by t.changed_in, t.id
        limit 101
      )
      union all (
        select t.changed_in, 'todo', t.id, false
        from todos t
        where t.owner_id = ${ownerId} and ${allowed} and ${isAfter("todo")}
        order by t.changed_in, t.id
        limit 101
      )
      union all (
        select t.changed_in, t.kind, t.row_id, true
        from deletions t
        where t.owner_id = ${ownerId} and ${allowed}
          and (t.changed_in, t.kind, t.row_id) > (${transaction}::xid8, ${kind}, ${id}::bigint)
          and t.changed_in < pg_snapshot_xmin(pg_current_snapshot())
        order by t.changed_in, t.kind, t.row_id
        limit 101
      )
    ),
    numbered as (
      select ordered.*, row_number() over () as n
      from (
        select * from changes
        order by changed_in, kind, id
        limit ${limit} + 1
      ) ordered
    ),
    page as (
      select
        '[' || coalesce(string_agg(row_to_json(shown)::text, ',' order by n) filter (where n <= ${limit}), '') || ']' as data,
        count(*) > ${limit} as more
      from numbered
      cross join lateral (
        select
          kind, id, deleted,
          case
            when deleted then null
            when kind = 'student' then (
              select ${json(studentColumns)}
              from students t
              where t.owner_id = ${ownerId} and ${allowed} and t.id = numbered.id
            )
            else (
              select ${json(todoColumns)}
              from todos t
              where t.owner_id = ${ownerId} and ${allowed} and t.id = numbered.id
            )
          end::json as "row"
      ) shown
    )
    select
      caller.id as caller_id, caller.allowed, page.data, page.more,
      ${transaction}::xid8 >= pg_snapshot_xmin(pg_current_snapshot())
        or coalesce(${since}::timestamptz < now() - interval '30 days', false) as expired,
      history_of(${ownerId}) as history,
      numbered.changed_in::text as last_transaction, numbered.kind as last_kind,
      numbered.id as last_id, ${utc(sql`now()`)} as read_at
    from caller
    cross join page
    left join numbered on numbered.n = (select least(count(*), ${limit}) from numbered)`);
}

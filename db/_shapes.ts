import { type Asked, caller, type Key, type Scope } from "./_caller.ts";
import type { Order } from "./_sort.ts";
import { type Database, sql, type Statement } from "../postgres/mod.ts";

/*
 * The shapes that statements share: each wraps the SQL of one table, which gives `body` and
 * `version` (see `shown`), into the statement that also proves who is asking.
 */

export interface Found extends Asked {
  /** The row as JSON text, to be passed on unparsed; null where there is none. */
  body: string | null;
  version: string | null;
}

/** What a statement that writes says, for a read that must not be behind it; see replica.ts. */
export interface Written {
  /** The transaction's number; null where nothing was written. */
  written: string | null;
}

export const written = sql`pg_current_xact_id_if_assigned()::text as written`;

export interface Changed extends Found, Written {
  /** Whether the row is there at all: changed or not, it tells 412 from 404. */
  present: boolean;
}

export interface Page extends Asked {
  /** A JSON array as text. */
  data: string;
  /** Where the next page starts after; null on the last page. */
  last_id: string | null;
  last_value: string | null;
  present: boolean;
}

/** What an If-Match header allows: any version, or one of these. */
export type Versions = "*" | string[];

/** RFC 3339 in UTC with all six digits of PostgreSQL's clock. */
export function utc(column: Statement): Statement {
  return sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** What every row shows beside its own columns: when it was made and changed, and its version. */
export const stamps = sql`
  ${utc(sql`t.created_at`)} as created_at,
  ${utc(sql`t.updated_at`)} as updated_at,
  t.version`;

/** The columns of table `t` as JSON text `body`, with the `version` beside it. */
export function shown(columns: Statement): Statement {
  return sql`(select row_to_json(item) from (select ${columns}) item)::text as body, t.version`;
}

/** Fragments with something between them, such as a comma. */
export function join(parts: Statement[], separator: Statement): Statement {
  return parts.reduce((all, part) => sql`${all}${separator}${part}`);
}

/** The rows of one table as callers see them. */
export interface Rows {
  /** The table under the name `t`. */
  from: Statement;
  /** `body` and `version`; see `shown`. */
  shown: Statement;
  /** The condition under which the caller may see and change a row. */
  visible: Statement;
}

/** One row. */
export function getRow(
  db: Database,
  key: Key,
  { from, shown, visible }: Rows,
  id: Statement | string,
): Promise<Found[]> {
  return db.query(sql`
    with ${caller(key, "read")},
    found as (
      select ${shown}
      from ${from}
      where t.id = ${id} and ${visible}
    )
    select caller.id as caller_id, caller.allowed, found.body, found.version
    from caller left join found on true`);
}

/** Changes one row: `set` is what follows the word in an update. */
export function updateRow(
  db: Database,
  key: Key,
  rows: Rows,
  id: string,
  set: Statement,
  versions: Versions | undefined,
): Promise<Changed[]> {
  const { from, shown, visible } = rows;
  return change(
    db,
    key,
    rows,
    id,
    sql`
      update ${from}
      set ${set}
      where t.id = ${id} and ${visible} and ${matching(versions)}
      returning ${shown}`,
  );
}

export function deleteRow(
  db: Database,
  key: Key,
  rows: Rows,
  id: string,
  versions?: Versions,
): Promise<Changed[]> {
  return change(
    db,
    key,
    rows,
    id,
    sql`
      delete from ${rows.from}
      where t.id = ${id} and ${rows.visible} and ${matching(versions)}
      returning null as body, t.version`,
  );
}

/**
 * The precondition stands in the change's own `where`, so that of two racers exactly one wins;
 * `present` tells a row that did not meet it from one that is not there.
 */
function change(
  db: Database,
  key: Key,
  { from, visible }: Rows,
  id: string,
  changed: Statement,
): Promise<Changed[]> {
  return db.query(sql`
    with ${caller(key, "write")},
    changed as (${changed})
    select
      caller.id as caller_id,
      caller.allowed,
      exists (select from ${from} where t.id = ${id} and ${visible}) as present,
      changed.body,
      changed.version,
      ${written}
    from caller left join changed on true`);
}

/** The precondition of an If-Match header, for the `where` of an update or delete of table `t`. */
function matching(versions: Versions | undefined): Statement {
  if (versions === undefined || versions === "*") return sql`true`;
  return sql`t.version = any (string_to_array(${versions.join(",")}, ',')::bigint[])`;
}

/**
 * For the end of a page's rows. PostgreSQL takes a limit that is a parameter for a tenth of the table,
 * finds the plan that it could keep too dear, and plans each page anew, which takes twice as long as
 * reading it. The constant tells it that no page is large. Without it each page is planned for its
 * own values, as it must be where they decide which index is right.
 */
const pageSized = sql`limit 101`;

/** What a filter adds to the statement of a page. */
export interface Filtered {
  where: Statement[];
  /** Instead of the table itself: what is under the name `t`. */
  from?: Statement;
  /** Whether the values decide which index is right; see `pageSized`. */
  planned?: boolean;
}

/**
 * A page, in order. One row more than it holds is read, which says that there is a next page and is
 * not shown. `present` is a condition without which there is no such list at all.
 */
export function getPage(
  db: Database,
  key: Key,
  scope: Scope,
  { from, shown, visible }: Rows,
  order: Order,
  limit: number,
  filtered: Filtered = { where: [] },
  present: Statement = sql`true`,
): Promise<Page[]> {
  const conditions = [visible, order.after, ...filtered.where];
  return db.query(sql`
    with ${caller(key, scope)},
    numbered as (
      select rows.*, row_number() over () as n
      from (
        select ordered.*
        from (
          select ${shown}, t.id as last_id, ${order.value} as last_value
          from ${filtered.from ?? from}
          where ${join(conditions, sql` and `)}
          order by ${order.by}
          ${filtered.planned ? sql`` : pageSized}
        ) ordered
        limit ${limit + 1}
      ) rows
    )
    select
      caller.id as caller_id,
      caller.allowed,
      ${present} as present,
      (
        select '[' || coalesce(string_agg(body, ',' order by n), '') || ']'
        from numbered
        where n <= ${limit}
      ) as data,
      last.last_id,
      last.last_value
    from caller
    left join numbered last
      on last.n = ${limit} and exists (select from numbered where n > ${limit})`);
}

import { sql, type Statement } from "../postgres/mod.ts";

/** What every statement says of the caller. No row at all: the key is unknown, wrong or expired. */
export interface Authorization {
  caller_id: string;
  /** Whether the key's scope includes the one that the statement needs. */
  allowed: boolean;
}

export interface Found extends Authorization {
  /** The row as JSON text, to be passed on unparsed; null where there is none. */
  body: string | null;
  version: string | null;
}

/** The number of a write, for a read that must see it; see postgres/replica.ts. */
export interface Written {
  /** The transaction's number; null where nothing was written. */
  written: string | null;
}

/** One row that was changed or deleted. */
export interface Changed extends Found, Written {
  /** Whether the row is there at all: changed or not, it tells 412 from 404. */
  present: boolean;
}

/** The versions that an If-Match header allows: any, or one of these. */
export type Versions = "*" | string[];

export const written = sql`pg_current_xact_id_if_assigned()::text as written`;

/** RFC 3339 in UTC with all six digits of PostgreSQL's clock. */
export function utc(column: Statement): Statement {
  return sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** When the row of table `t` was created and changed. */
export const timestamps = sql`${utc(sql`t.created_at`)} as created_at,
        ${utc(sql`t.updated_at`)} as updated_at`;

/** The same of the CTE `inserted`, whose rows have one time: written once, not once a row. */
export const insertedTimestamps = sql`(
          select ${utc(sql`i.created_at`)} from inserted i limit 1
        ) as created_at,
        (
          select ${utc(sql`i.updated_at`)} from inserted i limit 1
        ) as updated_at`;

/** A row as JSON text; `columns` is a list as after `select`. */
export function json(columns: Statement): Statement {
  return sql`(select row_to_json(item) from (select
        ${columns}
      ) item)::text`;
}

/**
 * The precondition of an If-Match header, for the `where` of the change of table `t` itself: of two at
 * once exactly one wins.
 */
export function matches(versions: Versions | undefined): Statement {
  if (versions === undefined || versions === "*") return sql`true`;
  return sql`t.version = any (string_to_array(${versions.join(",")}, ',')::bigint[])`;
}

/** The fragment, or nothing. Each combination is a statement with a plan of its own. */
export function when(condition: boolean, fragment: Statement): Statement {
  return condition ? fragment : sql``;
}

import { sql, type Statement } from "../postgres/mod.ts";

/** What every statement says of who asked. No row at all: the key is unknown, wrong or expired. */
export interface Authorization {
  caller_id: string;
  /** The key's scope holds the one that the statement needs. */
  allowed: boolean;
}

/** One row, as whoever reads it gets it. */
export interface Found extends Authorization {
  /** The row as JSON text, to be passed on unparsed; null where there is none. */
  body: string | null;
  version: string | null;
}

/** What a statement that writes says, for a read that must not be behind it; see replica.ts. */
export interface Written {
  /** The transaction's number; null where nothing was written. */
  written: string | null;
}

/** One row that was changed or deleted. */
export interface Changed extends Found, Written {
  /** Whether the row is there at all: changed or not, it tells 412 from 404. */
  present: boolean;
}

/** What an If-Match header allows: any version, or one of these. */
export type Versions = "*" | string[];

export const written = sql`pg_current_xact_id_if_assigned()::text as written`;

/** RFC 3339 in UTC with all six digits of PostgreSQL's clock. */
export function utc(column: Statement): Statement {
  return sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** When the row of table `t` was made and changed. */
export const timestamps = sql`${utc(sql`t.created_at`)} as created_at,
        ${utc(sql`t.updated_at`)} as updated_at`;

/** A row as JSON text; `columns` are what a `select` lists. */
export function json(columns: Statement): Statement {
  return sql`(select row_to_json(item) from (select
        ${columns}
      ) item)::text`;
}

/**
 * The precondition of an If-Match header, in the change's own `where`: of two racers exactly one
 * wins. Table `t`.
 */
export function matches(versions: Versions | undefined): Statement {
  if (versions === undefined || versions === "*") return sql`true`;
  return sql`t.version = any (string_to_array(${versions.join(",")}, ',')::bigint[])`;
}

/** A fragment, or nothing. Each combination is a statement of its own, with a plan of its own. */
export function when(condition: boolean, fragment: Statement): Statement {
  return condition ? fragment : sql``;
}

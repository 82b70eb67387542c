import type { Authorization } from "./_row.ts";
import { sql, type Statement } from "../postgres/mod.ts";

/*
 * A list is read a page at a time, by keyset: a page starts after the last row of the one before, so
 * that it costs the same at row 10 and at row 10,000,000.
 */

export interface Page extends Authorization {
  /** A JSON array as text. */
  data: string;
  /** The row that the next page starts after; null on the last page. */
  last_id: string | null;
  last_value: string | null;
}

/** Where a page starts: after the row with this id and, where the sort is another, this value. */
export interface After {
  id: string;
  value: string | null;
}

export interface PageRequest<Sort extends string> {
  sort: Sort;
  descending: boolean;
  after?: After;
  limit: number;
}

const day = String.raw`\d{4,}-\d\d-\d\d`;
const clock = String.raw`\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d)*`;

/**
 * The types to sort by, and the form of their values in a cursor, as PostgreSQL writes them: a made-up
 * value must not reach PostgreSQL.
 */
const types = {
  text: { name: sql`text`, pattern: /^[^\0]*$/ },
  integer: { name: sql`integer`, pattern: /^-?\d{1,10}$/ },
  date: { name: sql`date`, pattern: new RegExp(`^(-?infinity|${day}( BC)?)$`) },
  timestamptz: {
    name: sql`timestamptz`,
    pattern: new RegExp(`^(-?infinity|${day} ${clock}( BC)?)$`),
  },
};

/** One order of the rows of table `t`. */
export interface Order {
  /** The sort's expression as text, for the cursor; null where the id alone sorts. */
  value: Statement;
  /** The keyset condition, exact to the microsecond; true on the first page. */
  after: Statement;
  /** What follows `order by`; its index is read in order, nothing is sorted. */
  by: Statement;
}

/** One way to sort a list. */
export interface SortKey {
  /** Whether this can be the value of one of its cursors. */
  accepts(value: unknown): boolean;
  order(request: { descending: boolean; after?: After }): Order;
}

/** By id: the oldest first. */
export const byId: SortKey = {
  accepts: (value) => value === null,
  order({ descending, after }) {
    const beyond = descending ? sql`t.id < ${after?.id ?? null}` : sql`t.id > ${after?.id ?? null}`;
    return {
      value: sql`null::text`,
      after: after ? beyond : sql`true`,
      by: descending ? sql`t.id desc` : sql`t.id`,
    };
  },
};

/**
 * By an expression that is never null and that an index (owner_id, expression, id) holds, the id
 * breaking ties. It may be another one in each direction.
 */
export function by(
  type: keyof typeof types,
  expression: Statement | ((descending: boolean) => Statement),
): SortKey {
  const { name, pattern } = types[type];
  return {
    accepts: (value) => typeof value === "string" && value.isWellFormed() && pattern.test(value),
    order({ descending, after }) {
      const key = typeof expression === "function" ? expression(descending) : expression;
      const place = sql`(${key}, t.id)`;
      const position = sql`(${after?.value ?? null}::text::${name}, ${after?.id ?? null}::bigint)`;
      const beyond = descending ? sql`${place} < ${position}` : sql`${place} > ${position}`;
      return {
        value: sql`(${key})::text`,
        after: after ? beyond : sql`true`,
        by: descending ? sql`${key} desc, t.id desc` : sql`${key}, t.id`,
      };
    },
  };
}

/**
 * The end of the CTE `rows`, whose rows have `body`, `id` and `sort_value`. PostgreSQL takes a limit
 * that is a parameter for a tenth of the table, finds the plan that it could keep too dear, and plans
 * each page anew, which takes twice as long as reading it. The constant tells it that no page is
 * large. Left out where the values of the filters decide which index is right.
 */
export const mostRows = sql`limit 101`;

/**
 * The CTE `page`, one row made of the CTE `rows`. One row more than the page holds is read: it says
 * that there is a next page, and is left out.
 */
export function page(limit: number): Statement {
  return sql`page as (
      select
        '[' || coalesce(string_agg(body, ',' order by n) filter (where n <= most), '') || ']' as data,
        case when count(*) > max(most) then max(id) filter (where n = most) end as last_id,
        case when count(*) > max(most) then max(sort_value) filter (where n = most) end as last_value
      from (
        select rows.*, row_number() over () as n, ${limit}::bigint as most
        from rows
        limit ${limit} + 1
      ) numbered
    )`;
}

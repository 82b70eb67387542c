import { sql, type Statement } from "../postgres/mod.ts";

/** Where a page continues: after the row with this id and, sorted by something else, this value. */
export interface After {
  id: string;
  value: string | null;
}

/** A page as it is asked for. */
export interface PageRequest<Sort extends string> {
  sort: Sort;
  descending: boolean;
  after?: After;
  limit: number;
}

export interface Order {
  /** The sort's expression as text, for the cursor; null where the id alone decides. */
  value: Statement;
  /** The key-set condition, exact to the microsecond; true on the first page. */
  after: Statement;
  /** `order by`, its index read in order: nothing is sorted. */
  by: Statement;
}

const day = String.raw`\d{4,}-\d\d-\d\d`;
const clock = String.raw`\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d)*`;

/**
 * The types to sort by, and what a cursor's value of each looks like, as PostgreSQL writes it: one
 * that somebody made up must not reach it.
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

/** One way to sort a table's pages. */
export interface SortKey {
  /** Whether this is the value of a cursor that it gave. */
  accepts(value: unknown): boolean;
  order(descending: boolean, after: After | undefined): Order;
}

/** By id, which is by age. */
export const byId: SortKey = {
  accepts: (value) => value === null,
  order(descending, after) {
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
    order(descending, after) {
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

import { sql, type Statement } from "./mod.ts";

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

/** By id, which is by age. */
export function byId(descending: boolean, after: After | undefined): Order {
  const beyond = descending ? sql`t.id < ${after?.id ?? null}` : sql`t.id > ${after?.id ?? null}`;
  return {
    value: sql`null::text`,
    after: after ? beyond : sql`true`,
    by: descending ? sql`t.id desc` : sql`t.id`,
  };
}

/**
 * By an expression that is never null and that an index (owner_id, expression, id) holds, the id
 * breaking ties. `type` is the expression's, to read the cursor's text back.
 */
export function byExpression(
  expression: Statement,
  type: Statement,
  descending: boolean,
  after: After | undefined,
): Order {
  const place = sql`(${expression}, t.id)`;
  const position = sql`(${after?.value ?? null}::text::${type}, ${after?.id ?? null}::bigint)`;
  const beyond = descending ? sql`${place} < ${position}` : sql`${place} > ${position}`;
  return {
    value: sql`(${expression})::text`,
    after: after ? beyond : sql`true`,
    by: descending ? sql`${expression} desc, t.id desc` : sql`${expression}, t.id`,
  };
}

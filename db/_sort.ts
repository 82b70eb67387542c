import { sql, type Statement } from "./mod.ts";

/** Where a page continues: after the row with this id and, sorted by something else, this value. */
export interface After {
  id: string;
  value: string | null;
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
  return descending
    ? {
      value: sql`null::text`,
      after: after ? sql`t.id < ${after.id}` : sql`true`,
      by: sql`t.id desc`,
    }
    : { value: sql`null::text`, after: after ? sql`t.id > ${after.id}` : sql`true`, by: sql`t.id` };
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
  const value = sql`(${expression})::text`;
  const position = after ? sql`(${after.value}::text::${type}, ${after.id}::bigint)` : undefined;
  return descending
    ? {
      value,
      after: position ? sql`(${expression}, t.id) < ${position}` : sql`true`,
      by: sql`${expression} desc, t.id desc`,
    }
    : {
      value,
      after: position ? sql`(${expression}, t.id) > ${position}` : sql`true`,
      by: sql`${expression}, t.id`,
    };
}

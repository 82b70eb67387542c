import type { Created } from "./_idempotency.ts";
import { type Authorization, type Written, written } from "./_row.ts";
import { type DatabaseError, sql, type Statement } from "../postgres/mod.ts";

/*
 * Many rows of one table, all of them or none, in one statement. The CTE `items` has what was sent,
 * `n` being each one's place from 0 on; the CTE `faults` has the places that stop all of it, before
 * anything is done.
 */

/** What stops a batch: JSON, `[[place, field], ...]`, empty where nothing does. */
interface Faults {
  faults: string;
}

/** Rows that were created. `id` is the first one's. */
export interface BatchCreated extends Created, Faults {}

/** Rows that were changed or deleted. */
export interface BatchChanged extends Authorization, Written, Faults {
  /** `{"data":[...]}` in the order of the items; null where they were deleted or nothing was done. */
  body: string | null;
}

/** An item that is there already, and the version that it must have, if that matters. */
export interface Item {
  id: number;
  version?: number;
}

/** Of the CTE `faults`. */
export const faults = sql`coalesce(
        (select json_agg(json_build_array(n, field) order by n) from faults)::text, '[]'
      ) as faults`;

/** New rows as one row, of the CTE `shown`, for the answer that is remembered. */
export const created = sql`created as (
      select min(id) as id, '{"data":[' || string_agg(body, ',' order by id) || ']}' as body,
        1::bigint as version
      from shown
      having count(*) > 0
    )`;

/**
 * The CTE `items` of rows that are there already. By id, so that two batches wait for one another's
 * rows in the same order. `also`: further columns, such as a time, which depends on the session: Citus
 * takes none of these in the update itself.
 */
export function itemsOf(items: Item[], also = sql``): Statement {
  const placed = items.map((item, n) => ({ n, ...item })).sort((a, b) => a.id - b.id);
  return sql`items as (
      select
        sent, (sent ->> 'n')::integer as n,
        (sent ->> 'id')::bigint as id, (sent ->> 'version')::bigint as version${also}
      from jsonb_array_elements(${JSON.stringify(placed)}::text::jsonb) sent
    )`;
}

/**
 * What came of the CTE `changed`. A row that was changed or went between being looked at and being
 * changed is not in it: then all of it is undone, and run again.
 */
export const outcome = sql`
    select
      caller.id as caller_id, caller.allowed, ${faults},
      case
        when not caller.allowed or exists (select from faults) then null
        when (select count(*) from changed) < (select count(*) from items) then conflict()
        else (select '{"data":[' || string_agg(body, ',' order by n) || ']}' from changed)
      end as body,
      ${written}
    from caller`;

/** A row that a todo refers to was deleted meanwhile: run again, the statement finds which. */
export const isReference = ({ code }: DatabaseError) => code === "23503";

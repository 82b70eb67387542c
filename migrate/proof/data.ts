import { type Database, sql } from "../../postgres/mod.ts";
import { bookkeeping } from "../catalog/bookkeeping.ts";

/** The values of one column: how many are not null, and a digest of all, in no order. */
export interface ColumnData {
  table: string;
  column: string;
  values: number;
  digest: string;
  /** The digests of the single values, where they are few. */
  each: string[] | null;
}

/** Up to so many values are kept one by one. */
const few = 100;

/**
 * What every column of every table holds, but for what PostgreSQL computes: one scan a table. `db`
 * must be a session.
 */
export async function readData(db: Database): Promise<ColumnData[]> {
  const internal = bookkeeping.map((name) => `'${name}'`).join(", ");
  await db.script(`
    create temporary table if not exists held ("table" text, "column" text, "values" int, digest text, each text[]);
    do $held$
    declare
      parts text;
    begin
      truncate held;
      for parts in
        select format('insert into held select %L, v.* from (select %s from (select %s from only %s t) h) s '
            'cross join lateral (values %s) v',
          c.oid::regclass::text,
          -- A sum does not know an order, and is cheaper than to sort.
          string_agg(format('count(h%1$s) as n%1$s, coalesce(sum(h%1$s), 0)::text as d%1$s, '
            'case when count(*) <= ${few} then (array_agg(h%1$s) filter (where h%1$s is not null))::text[] end '
            'as e%1$s', a.attnum), ', '),
          string_agg(format('hashtextextended(t.%I::text collate "C", 0) as h%s', a.attname, a.attnum), ', '),
          c.oid::regclass::text,
          string_agg(format('(%L, n%2$s, d%2$s, e%2$s)', a.attname, a.attnum), ', '))
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          and a.attgenerated = ''
        where c.relkind = 'r' and c.oid >= 16384 and c.relname not in (${internal})
          and c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
        group by c.oid
      loop
        execute parts;
      end loop;
    end $held$`);
  return await db.query<ColumnData>(
    sql`select "table", "column", "values", digest, to_json(each) as each from held order by "table", "column"`,
  );
}

/** Takes every row out of every table. */
export async function emptyTables(db: Database) {
  const internal = bookkeeping.map((name) => `'${name}'`).join(", ");
  await db.script(`
    do $$
    declare
      tables text;
    begin
      select string_agg(c.oid::regclass::text, ', ') into tables from pg_class c
      where c.relkind = 'r' and c.oid >= 16384 and c.relname not in (${internal})
        and c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)';
      if tables is not null then execute 'truncate ' || tables || ' cascade'; end if;
    end $$`);
}

/**
 * What `after` does not hold any more of what `before` held, each as `table todos`,
 * `column todos.due_date` or `values of todos.due_date`. Values that moved to another name as a
 * whole are not lost.
 */
export function lostData(before: ColumnData[], after: ColumnData[]): string[] {
  const key = ({ table, column }: ColumnData) => `${table}.${column}`;
  const now = new Map(after.map((data) => [key(data), data]));
  const known = new Set(before.map(key));
  const arrived = after.filter((data) => !known.has(key(data)));
  const lost: string[] = [];
  for (const data of before) {
    const same = now.get(key(data));
    if (same?.digest === data.digest || same && data.values === 0) continue;
    // Rows that came are no loss.
    if (same && same.values > data.values && isIn(data.each, same.each)) continue;
    // Of what held nothing nobody can say that it moved: where no row could be made, say the worst.
    if (data.values > 0 && arrived.some(({ digest }) => digest === data.digest)) continue;
    lost.push(
      same
        ? `values of ${key(data)}`
        : after.some(({ table }) => table === data.table)
        ? `column ${key(data)}`
        : `table ${data.table}`,
    );
  }
  return [...new Set(lost)];
}

/** Whether all that was there is there still; of many values only their number is known. */
function isIn(before: string[] | null, after: string[] | null): boolean {
  if (!before || !after) return true;
  const left = [...after];
  return before.every((value) => {
    const at = left.indexOf(value);
    return at !== -1 && left.splice(at, 1).length === 1;
  });
}

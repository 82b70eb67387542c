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
  /** The partitioned table that this is a part of, which holds the same rows. */
  root: string | null;
}

/** Up to so many values are kept one by one. */
const few = 100;

/**
 * What every column of every table holds, but for what PostgreSQL computes: one scan a table, by a
 * statement that stays prepared as long as the table is what it was, for to plan it is most of the
 * work. `db` must be a session.
 */
export async function readData(db: Database): Promise<ColumnData[]> {
  const internal = bookkeeping.map((name) => `'${name}'`).join(", ");
  await db.script(`
    do $held$
    declare
      scan text;
      prepared text;
      part json;
      parts json[] = '{}';
    begin
      for scan in
        select format('select json_agg(json_build_object(''table'', %L, ''column'', "column", ''values'', "values", '
            '''digest'', digest, ''each'', "each", ''root'', %L::text)) from (select %s from (select %s from %s t) h) s '
            'cross join lateral (values %s) v ("column", "values", digest, "each")',
          c.oid::regclass::text,
          case when c.relispartition then pg_partition_root(c.oid)::regclass::text end,
          -- A sum does not know an order, and is cheaper than to sort.
          string_agg(format('count(h%1$s) as n%1$s, coalesce(sum(h%1$s), 0)::text as d%1$s, '
            'case when count(*) <= ${few} then (array_agg(h%1$s) filter (where h%1$s is not null))::text[] end '
            'as e%1$s', a.attnum), ', '),
          string_agg(format('hashtextextended(t.%I::text collate "C", 0) as h%s', a.attname, a.attnum), ', '),
          case c.relkind when 'r' then 'only ' else '' end || c.oid::regclass,
          string_agg(format('(%L, n%2$s, d%2$s, e%2$s)', a.attname, a.attnum), ', '))
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          and a.attgenerated = ''
        where (c.relkind = 'r' or c.relkind = 'p' and not c.relispartition)
          and c.oid >= 16384 and c.relname not in (${internal})
          and c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
        -- A select has at most 1,664 columns, and a column of the table takes three.
        group by c.oid, a.attnum / 500
      loop
        prepared = 'held_' || md5(scan);
        if not exists (select from pg_prepared_statements where name = prepared) then
          execute format('prepare %I as %s', prepared, scan);
        end if;
        execute format('execute %I', prepared) into part;
        parts = parts || part;
      end loop;
      perform set_config('migrate.held', array_to_json(parts)::text, false);
    end $held$`);
  const [row] = await db.query<{ held: string }>(
    sql`select current_setting('migrate.held') as held`,
  );
  return (JSON.parse(row!.held) as ColumnData[][]).flat().sort(byName);
}

function byName(a: ColumnData, b: ColumnData): number {
  const [x, y] = [`${a.table}.${a.column}`, `${b.table}.${b.column}`];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Takes every row out of every table, and lets sequences begin anew. */
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
      perform setval(seqrelid, seqstart, false) from pg_sequence where seqrelid >= 16384;
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
  const roots = new Set(before.map(({ root }) => root));
  const held = new Map(before.map((data) => [key(data), data]));
  const lost: string[] = [];
  for (const data of before) {
    // What its partitions hold is told of them, unless the whole is still there.
    if (roots.has(data.table)) continue;
    const whole = `${data.root}.${data.column}`;
    if (data.root && now.get(whole)?.digest === held.get(whole)?.digest) continue;
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

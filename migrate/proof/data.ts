import { type Database, DatabaseError, sql, Statement } from "../../postgres/mod.ts";
import { bookkeeping } from "../catalog/bookkeeping.ts";
import { quoteName } from "../databases.ts";

/** The values of one column: how many are not null, and a digest of all, in no order. */
export interface ColumnData {
  table: string;
  column: string;
  /** The numbers of its database, its table and its own: the same under another name. */
  id: string;
  type: string;
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
 * work. A column that was of another type in `held` is read as one of that type: what comes back the
 * same is not lost. `db` must be a session.
 */
export async function readData(db: Database, held: ColumnData[] = []): Promise<ColumnData[]> {
  const internal = JSON.stringify(bookkeeping);
  const types = JSON.stringify(Object.fromEntries(held.map(({ id, type }) => [id, type])));
  const scans = await db.query<{ scan: string; uncast: string }>(sql`
    with held as materialized (
      select key as id, value as type from json_each_text(${types}::text::json)
    )
    select head || hashes || tail as scan, head || "uncast hashes" || tail as uncast
    from (
      select format('select json_agg(json_build_object(''table'', %L, ''column'', "column", ''id'', id, '
          '''type'', type, ''values'', "values", ''digest'', digest, ''each'', "each", ''root'', %L::text)) as data '
          'from (select %s from (select ',
          c.oid::regclass::text,
          case when c.relispartition then pg_partition_root(c.oid)::regclass::text end,
          -- A sum does not know an order, and is cheaper than to sort.
          string_agg(format('count(h%1$s) as n%1$s, coalesce(sum(h%1$s), 0)::text as d%1$s, '
            'case when count(*) <= %2$s then (array_agg(h%1$s) filter (where h%1$s is not null))::text[] end '
            'as e%1$s', attnum, ${few}::int), ', ' order by attnum)) as head,
        format(' from %s t) h) s cross join lateral (values %s) v ("column", id, type, "values", digest, "each")',
          case c.relkind when 'r' then 'only ' || c.oid::regclass else coalesce(own.parts, c.oid::regclass::text) end,
          string_agg(format('(%L, %L, %L, n%4$s, d%4$s, e%4$s)', attname, a.id, a.type, attnum), ', ' order by attnum)) as tail,
        string_agg(format('hashtextextended(t.%I%s::text collate "C", 0) as h%s', attname,
          '::' || nullif(held.type, a.type), attnum), ', ' order by attnum) as hashes,
        string_agg(format('hashtextextended(t.%I::text collate "C", 0) as h%s', attname, attnum), ', ' order by attnum)
          as "uncast hashes"
      from pg_class c
      join (
        select attrelid, attname, attnum, format_type(atttypid, atttypmod) as type, concat_ws('.',
          (select oid from pg_database where datname = current_database()), attrelid, attnum) as id
        from pg_attribute
        where attnum > 0 and not attisdropped and attgenerated = ''
      ) a on a.attrelid = c.oid
      left join held on held.id = a.id
      -- Of a table with foreign partitions what is here: another server may not even be there.
      left join lateral (
        select '(' || string_agg(format('select %s from only %s', names, p.relid::regclass), ' union all ')
          filter (where f.relkind <> 'f') || ')' as parts
        from pg_partition_tree(c.oid) p join pg_class f on f.oid = p.relid
        cross join lateral (
          select string_agg(quote_ident(n.attname), ', ') as names from pg_attribute n
          where n.attrelid = c.oid and n.attnum > 0 and not n.attisdropped) n
        having bool_or(f.relkind = 'f')
      ) own on c.relkind = 'p'
      where (c.relkind = 'r' or c.relkind = 'p' and not c.relispartition)
        and c.oid >= 16384 and c.relname not in (select json_array_elements_text(${internal}::text::json))
        and c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
      -- A select has at most 1,664 columns, and a column of the table takes three.
      group by c.oid, own.parts, attnum / 500
    ) scans`);
  const columns: ColumnData[] = [];
  for (const { scan, uncast } of scans) {
    const read = async (text: string) => {
      const [row] = await db.query<{ data: ColumnData[] }>(verbatim(text));
      return row!.data;
    };
    const data = await read(scan).catch((error) => {
      // What cannot be of the old type is not what it was.
      if (!(error instanceof DatabaseError) || scan === uncast) throw error;
      return read(uncast);
    });
    columns.push(...data);
  }
  return columns.sort(byName);
}

function byName(a: ColumnData, b: ColumnData): number {
  const [x, y] = [`${a.table}.${a.column}`, `${b.table}.${b.column}`];
  return x < y ? -1 : x > y ? 1 : 0;
}

/**
 * Takes every row out of every table, past their triggers where the role may do that, and lets
 * sequences begin anew.
 */
export async function emptyTables(db: Database) {
  const internal = bookkeeping.map((name) => `'${name}'`).join(", ");
  await db.script(`
    do $$
    declare
      tables text;
    begin
      begin
        perform set_config('session_replication_role', 'replica', true);
      exception when insufficient_privilege then
      end;
      select string_agg(c.oid::regclass::text, ', ') into tables from pg_class c
      where c.relkind = 'r' and c.oid >= 16384 and c.relname not in (${internal})
        and pg_relation_size(c.oid) > 0
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
  const byId = new Map(after.map((data) => [data.id, data]));
  const relation = ({ id }: ColumnData) => id.replace(/\.\d+$/, "");
  const known = new Set(before.map(key));
  // What a part of the same table held that is gone came from there, and from nowhere else.
  const isRepartitioned = ({ root, column, digest }: ColumnData) =>
    before.some((data) =>
      root !== null && data.root === root && !now.has(key(data)) && data.column === column &&
      data.digest === digest
    );
  const arrived = after.filter((data) => !known.has(key(data)) && !isRepartitioned(data));
  const roots = new Set(before.map(({ root }) => root));
  const filled = new Set(before.filter(({ values }) => values > 0).map(({ table }) => table));
  const held = new Map(before.map((data) => [key(data), data]));
  const lost: string[] = [];
  for (const data of before) {
    // What its partitions hold is told of them, unless the whole is still there.
    if (roots.has(data.table)) continue;
    const whole = `${data.root}.${data.column}`;
    const isThere = now.get(whole)?.digest === held.get(whole)?.digest;
    if (data.root && isThere && filled.has(data.table)) continue;
    const same = byId.get(data.id) ?? now.get(key(data));
    const anew = same !== undefined && same.id !== data.id && relation(same) === relation(data);
    // Of what held nothing nobody can say that it moved: where no row could be made, say the worst.
    const nothing = data.values === 0;
    if (same && (nothing ? !anew : same.digest === data.digest)) continue;
    // Rows that came are no loss.
    if (same && same.values > data.values && isIn(data.each, same.each)) continue;
    if (!nothing && arrived.some(({ digest }) => digest === data.digest)) continue;
    lost.push(
      same
        ? `values of ${key(data)}`
        : after.some((other) => relation(other) === relation(data) || other.table === data.table)
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

/** Whether a column has another type than it had. */
export function isRetyped(before: ColumnData[], after: ColumnData[]): boolean {
  const types = new Map(before.map(({ id, type }) => [id, type]));
  return after.some(({ id, type }) => (types.get(id) ?? type) !== type);
}

/** The single values of all columns, by their ids. */
export type Values = Map<string, string[]>;

export async function readValues(db: Database): Promise<Values> {
  const data = await readData(db);
  const values: Values = new Map(data.map(({ id }) => [id, []]));
  for (const table of new Set(data.map(({ table }) => table))) {
    const columns = data.filter((column) => column.table === table);
    const texts = columns.map(({ column }) => `${quoteName(column)}::text`).join(", ");
    const rows = await db.query<{ row: string }>(
      verbatim(`select array_to_json(array[${texts}])::text as row from only ${table}`),
    );
    for (const { row } of rows) {
      for (const [i, value] of (JSON.parse(row) as (string | null)[]).entries()) {
        if (value !== null) values.get(columns[i]!.id)!.push(value);
      }
    }
  }
  return values;
}

/**
 * The columns of which a value would not survive the type that they have got, as lostData() tells
 * them. A value that the type refuses is no such one.
 */
export async function alteredValues(
  db: Database,
  held: ColumnData[],
  values: Values,
): Promise<string[]> {
  const types = new Map((await readData(db)).map(({ id, type }) => [id, type]));
  const altered: string[] = [];
  for (const { id, table, column, type } of held) {
    const now = types.get(id);
    // A cast cuts off what is too long for one of these, and an assignment refuses it.
    if (!now || now === type || /^(character|bit)/.test(now)) continue;
    const texts = JSON.stringify(values.get(id) ?? []);
    const cast = verbatim(`select v::${type}::${now}::${type}::text = v as same
      from json_array_elements_text('${texts.replaceAll("'", "''")}') v`);
    try {
      const rows = await db.query<{ same: boolean }>(cast);
      if (rows.some(({ same }) => !same)) altered.push(`values of ${table}.${column}`);
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
    }
  }
  return altered;
}

/** A text of catalog names as a statement. */
function verbatim(text: string) {
  return new Statement([text], []);
}

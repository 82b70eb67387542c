import { type Database, DatabaseError, sql, Statement } from "../../postgres/mod.ts";
import { bookkeeping } from "../catalog/bookkeeping.ts";

/** A sequence that a column draws from. */
export interface Drawing {
  sequence: string;
  table: string;
  column: string;
  /** The numbers of sequence and table, which mean something in copies of one database. */
  sequenceId: number;
  tableId: number;
  /** The bounds that are not the usual ones: `id >= 10`; empty for none. */
  bounds: string;
  /** What is so of its last number: `id = 99`. */
  last: string;
  /** Whether a number can be there once only. */
  unique: boolean;
}

/** Every sequence that a column draws its numbers from, by an identity or by its default. */
export async function readDrawings(db: Database): Promise<Drawing[]> {
  const internal = JSON.stringify(bookkeeping);
  return await db.query<Drawing>(sql`
    select distinct s.oid::regclass::text as sequence, t.oid::regclass::text as table,
      quote_ident(a.attname) as column, s.oid::int as "sequenceId", t.oid::int as "tableId",
      case when q.seqmin <> 1 then quote_ident(a.attname) || ' >= ' || q.seqmin else '' end as bounds,
      quote_ident(a.attname) || ' = ' || case when q.seqincrement > 0 then q.seqmax else q.seqmin end as last,
      exists (
        select from pg_index i where i.indrelid = t.oid and i.indisunique and i.indnkeyatts = 1
          and i.indkey[0] = a.attnum
      ) as unique
    from pg_class s
    join pg_sequence q on q.seqrelid = s.oid
    join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = s.oid
      and d.classid = 'pg_attrdef'::regclass
      or d.classid = 'pg_class'::regclass and d.objid = s.oid and d.deptype = 'i' and d.refobjsubid > 0
    left join pg_attrdef f on d.classid = 'pg_attrdef'::regclass and f.oid = d.objid
    join pg_class t on t.oid = coalesce(f.adrelid, d.refobjid)
    join pg_attribute a on a.attrelid = t.oid and a.attnum = coalesce(f.adnum, d.refobjsubid)
    where s.relkind = 'S' and t.relkind in ('r', 'p') and not t.relispartition and t.oid >= 16384
      and t.relname not in (select json_array_elements_text(${internal}::text::json))
      and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
    order by 1, 2, 3
  `);
}

/**
 * Statements that let sequences which are new since `before` go on behind the numbers that their
 * tables have. `tables` are those that were there before: others have no rows.
 */
export function goingOn(before: Drawing[], after: Drawing[], tables: Set<number>): string[] {
  const known = new Set(before.map(({ sequenceId, tableId }) => `${sequenceId} ${tableId}`));
  return after
    .filter(({ sequenceId, tableId }) =>
      tables.has(tableId) && !known.has(`${sequenceId} ${tableId}`)
    )
    .map(({ sequence, table, column, bounds }) =>
      `select setval('${sequence.replaceAll("'", "''")}', max(${column})) from ${table}${
        bounds ? ` where ${bounds}` : ""
      } having count(${column}) > 0`
    );
}

/**
 * The columns whose sequence would give a number that is there already, where it may be there once
 * only, or that the column cannot hold: the next insert fails. A table that has the last number of
 * all is full, as its bounds say. Draws one number from each. `db` must be a session.
 */
export async function failingSequences(db: Database): Promise<string[]> {
  const failing: string[] = [];
  for (const { sequence, table, column, last, unique } of await readDrawings(db)) {
    const name = sequence.replaceAll("'", "''");
    try {
      const [row] = await db.query<{ taken: boolean }>(sql(
        Object.assign([
          `with drawn as materialized (select nextval('${name}') as next)
          select exists (select from ${table} held where held.${column} = (select next from drawn)) as taken`,
        ], { raw: [""] }),
      ));
      if (unique && row?.taken) failing.push(`${table}.${column}`);
    } catch (error) {
      // Beyond its own bounds, or the column's.
      if (!(error instanceof DatabaseError) || !/^2/.test(error.code)) throw error;
      if (error.code === exhausted && await holds(db, table, last)) continue;
      failing.push(`${table}.${column}`);
    }
  }
  return failing;
}

/** SQLSTATE of a sequence that is at its end. */
const exhausted = "2200H";

async function holds(db: Database, table: string, condition: string): Promise<boolean> {
  const text = `select from ${table} where ${condition} limit 1`;
  return (await db.query(new Statement([text], []))).length > 0;
}

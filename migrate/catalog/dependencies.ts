import { type Database, sql } from "../../postgres/mod.ts";

/**
 * The columns that views, rules and functions read, as they are resolved: `view public.v reads
 * public.t.a`. A text may name them by their place alone, as the columns of a function that returns
 * a table's rows, and mean others where they stand in another order.
 */
export async function readColumnUses(db: Database): Promise<string[]> {
  const rows = await db.query<{ use: string }>(sql`
    select distinct i.type || ' ' || i.identity || ' reads ' || t.identity as use
    from pg_depend d
    left join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
    cross join lateral pg_identify_object(
      case when w.rulename = '_RETURN' then 'pg_class'::regclass else d.classid end,
      case when w.rulename = '_RETURN' then w.ev_class else d.objid end, 0) i
    cross join lateral pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) t
    where d.classid in ('pg_rewrite'::regclass, 'pg_proc'::regclass)
      and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.objid >= 16384
    order by 1`);
  return rows.map(({ use }) => use);
}

/**
 * Which object needs which, by the `id` of readCatalog: the default of a column counts as its
 * table's, an identity's sequence too, a view's rule as the view's, a row type as the table's, an
 * operator or function of a class as the class's.
 */
export async function readDependencies(db: Database): Promise<Map<string, Set<string>>> {
  const rows = await db.query<{ id: string; needs: string }>(sql`
    with owners as (
      select 'pg_attrdef'::regclass as classid, oid as objid, 'pg_class:' || adrelid as id
      from pg_attrdef
      union all
      select 'pg_rewrite'::regclass, oid, 'pg_class:' || ev_class
      from pg_rewrite where rulename = '_RETURN'
      union all
      select 'pg_constraint'::regclass, oid,
        case when conrelid <> 0 then 'pg_class:' || conrelid else 'pg_type:' || contypid end
      from pg_constraint
      union all
      select 'pg_type'::regclass, t.oid, coalesce('pg_class:' || c.oid, 'pg_type:' || e.oid)
      from pg_type t
      left join pg_class c on c.oid = t.typrelid and c.relkind <> 'c'
      left join pg_type e on e.oid = t.typelem and e.typarray = t.oid
      where c.oid is not null or e.oid is not null
      union all
      select 'pg_class'::regclass, c.oid, 'pg_type:' || c.reltype
      from pg_class c where c.relkind = 'c'
      union all
      select classid, objid, refclassid::regclass || ':' || refobjid
      from pg_depend
      where classid in ('pg_amop'::regclass, 'pg_amproc'::regclass)
        and refclassid in ('pg_opclass'::regclass, 'pg_opfamily'::regclass)
      union all
      select 'pg_class'::regclass, conindid, 'pg_class:' || conrelid
      from pg_constraint where contype in ('p', 'u', 'x')
      union all
      select 'pg_class'::regclass, objid, 'pg_class:' || refobjid
      from pg_depend
      join pg_class c on c.oid = objid and c.relkind = 'S'
      where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass
        and deptype = 'i'
    ),
    edges as (
      select coalesce(a.id, d.classid::regclass || ':' || d.objid) as id,
        coalesce(b.id, d.refclassid::regclass || ':' || d.refobjid) as needs
      from pg_depend d
      left join owners a on a.classid = d.classid and a.objid = d.objid
      left join owners b on b.classid = d.refclassid and b.objid = d.refobjid
      where d.objid >= 16384 and d.deptype in ('n', 'a', 'i')
        -- A sequence is owned by its column afterwards; the column's default needs it before.
        and not (d.deptype = 'a' and exists (
          select from pg_class c where c.oid = d.objid and c.relkind = 'S'
            and d.classid = 'pg_class'::regclass
        ))
        -- Of a reference to a partitioned table each partition has one, which nobody writes.
        and not (d.classid = 'pg_constraint'::regclass and exists (
          select from pg_constraint k where k.oid = d.objid and k.contype = 'f' and k.conparentid <> 0
        ))
    )
    select distinct id, needs from edges where id <> needs
  `);
  const needs = new Map<string, Set<string>>();
  for (const row of rows) {
    if (!needs.has(row.id)) needs.set(row.id, new Set());
    needs.get(row.id)!.add(row.needs);
  }
  return needs;
}

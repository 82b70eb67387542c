import { type Database, sql } from "../../postgres/mod.ts";
import { bookkeeping } from "../catalog/bookkeeping.ts";

export interface TableShape {
  name: string;
  /** Whether anything was ever stored in it. */
  stored: boolean;
  columns: ColumnShape[];
  checks: CheckShape[];
  references: ReferenceShape[];
  /** The columns of each unique index that has only columns. */
  keys: string[][];
}

export interface ColumnShape {
  name: string;
  /** As in DDL, with its length. */
  type: string;
  /** A domain's base; otherwise the type without its length. */
  base: string;
  /** pg_type.typcategory of the base: N number, S text, D date or time, A array and so on. */
  category: string;
  labels: string[] | null;
  required: boolean;
  hasDefault: boolean;
  /** The default is the next number of a sequence. */
  drawn: boolean;
}

export interface CheckShape {
  expression: string;
  columns: string[];
}

export interface ReferenceShape {
  columns: string[];
  target: string;
  targets: string[];
}

/**
 * The shapes of later with what the earlier ones knew of tables and columns that are gone: rows of
 * before keep the rules that came while they were there.
 */
export function withGone(later: TableShape[], earlier: TableShape[]): TableShape[] {
  const gone = earlier.filter(({ name }) => !later.some((shape) => shape.name === name));
  const kept = later.map((shape) => {
    const before = earlier.find(({ name }) => name === shape.name);
    if (!before) return shape;
    const lost = (columns: string[]) =>
      !columns.every((column) => shape.columns.some(({ name }) => name === column));
    return {
      ...shape,
      checks: [...shape.checks, ...before.checks.filter(({ columns }) => lost(columns))],
      references: [
        ...shape.references,
        ...before.references.filter(({ columns }) => lost(columns)),
      ],
      keys: [...shape.keys, ...before.keys.filter(lost)],
    };
  });
  return [...kept, ...gone];
}

/** What a row must look like, for every table that holds rows itself, referenced ones first. */
export async function readShapes(db: Database): Promise<TableShape[]> {
  const internal = JSON.stringify(bookkeeping);
  const [row] = await db.query<{ shapes: TableShape[] | null }>(sql`
    with tables as (
      select c.oid, c.oid::regclass::text as name, relispartition
      from pg_class c
      where c.relkind = 'r' and c.oid >= 16384
        and c.relname not in (select json_array_elements_text(${internal}::text::json))
        and c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
        and not exists (
          select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')
    ),
    attributes as materialized (
      select a.* from tables join pg_attribute a on attrelid = oid where attnum > 0 and not attisdropped
    ),
    columns as materialized (
      select attrelid, attnum, json_build_object('name', quote_ident(attname),
        'type', format_type(atttypid, atttypmod),
        'base', format_type(b.oid, case when t.typtype = 'd' then t.typtypmod end),
        'category', b.typcategory,
        'labels', case when b.typtype = 'e' then
          (select json_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = b.oid) end,
        'required', attnotnull or t.typnotnull,
        'hasDefault', atthasdef or t.typdefault is not null,
        'drawn', atthasdef and exists (select from pg_attrdef f join pg_depend d on d.classid = 'pg_attrdef'::regclass
          and d.objid = f.oid and d.refclassid = 'pg_class'::regclass join pg_class s on s.oid = d.refobjid
          where f.adrelid = attrelid and f.adnum = attnum and s.relkind = 'S')) as column
      from attributes
      join pg_type t on t.oid = atttypid
      join pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
      where attidentity = '' and attgenerated = ''
    ),
    names as not materialized (
      select attrelid, attnum, quote_ident(attname) as name from pg_attribute
    ),
    checks as (
      select conrelid as relation, pg_get_expr(conbin, conrelid) as expression,
        (select json_agg(name) from names where attrelid = conrelid and attnum = any(conkey)) as columns
      from pg_constraint where contype::text = 'c' and conrelid >= 16384 and conkey is not null
      union all
      select a.attrelid, regexp_replace(pg_get_expr(conbin, 0), '\\mVALUE\\M', quote_ident(a.attname), 'g'),
        json_build_array(quote_ident(a.attname))
      from attributes a join pg_constraint k on k.contypid = a.atttypid and k.contype::text = 'c'
      where k.conbin is not null
      union all
      select i.inhrelid, pg_get_partition_constraintdef(i.inhrelid),
        -- A partition of a partition has to be one of all above it.
        (select json_agg(distinct n.name) from pg_partition_ancestors(i.inhrelid) a
          join pg_partitioned_table p on p.partrelid = a.relid
          join names n on n.attrelid = p.partrelid and n.attnum = any(p.partattrs))
      from pg_inherits i join tables on tables.oid = i.inhrelid and tables.relispartition
    )
    select json_agg(json_build_object(
      'name', name,
      'stored', pg_relation_size(oid) > 0,
      'columns', coalesce((select json_agg("column" order by attnum) from columns where attrelid = oid), '[]'),
      'checks', coalesce((select json_agg(json_build_object('expression', expression, 'columns', columns)
        order by expression collate "C") from checks where relation = oid and columns is not null and expression is not null), '[]'),
      'references', coalesce((select json_agg(json_build_object(
          'columns', (select json_agg(n.name order by o) from unnest(conkey) with ordinality u(num, o)
            join names n on n.attrelid = conrelid and n.attnum = num),
          'target', confrelid::regclass::text,
          'targets', (select json_agg(n.name order by o) from unnest(confkey) with ordinality u(num, o)
            join names n on n.attrelid = confrelid and n.attnum = num)) order by conname)
        from pg_constraint where conrelid = tables.oid and contype::text = 'f'), '[]'),
      'keys', coalesce((select json_agg((select json_agg(n.name) from names n
          where n.attrelid = indrelid and n.attnum = any((string_to_array(indkey::text, ' ')::int2[])[1:indnkeyatts])))
        from pg_index where indrelid = tables.oid and indisunique and indexprs is null), '[]')
    ) order by name collate "C") as shapes
    from tables
  `);
  return referencedFirst(row?.shapes ?? []);
}

function referencedFirst(shapes: TableShape[]): TableShape[] {
  const ordered: TableShape[] = [];
  const visit = (shape: TableShape, path: TableShape[]) => {
    if (ordered.includes(shape) || path.includes(shape)) return;
    for (const { target } of shape.references) {
      const next = shapes.find(({ name }) => name === target);
      if (next) visit(next, [...path, shape]);
    }
    ordered.push(shape);
  };
  for (const shape of shapes) visit(shape, []);
  return ordered;
}

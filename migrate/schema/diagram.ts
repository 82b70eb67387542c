import { type Database, sql } from "../../postgres/mod.ts";
import { bookkeeping } from "../catalog/bookkeeping.ts";
import { asWeWrite } from "../files/sql_text.ts";

interface Column {
  table: string;
  name: string;
  type: string;
  required: boolean;
  key: string;
}

interface Reference {
  table: string;
  target: string;
  columns: string;
  /** Whether each row refers to one, and whether one is referred to at most once. */
  required: boolean;
  single: boolean;
}

/** The tables and their foreign keys as a mermaid entity-relationship diagram. */
export async function diagram(db: Database): Promise<string> {
  const internal = JSON.stringify(bookkeeping);
  const columns = await db.query<Column>(sql`
    select c.relname as table, a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
      a.attnotnull as required,
      concat_ws(', ', case when bool_or(k.contype = 'p') then 'PK' end,
        case when bool_or(k.contype = 'f') then 'FK' end,
        case when bool_or(k.contype = 'u' and cardinality(k.conkey) = 1) then 'UK' end) as key
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_constraint k on k.conrelid = c.oid and a.attnum = any(k.conkey)
    where c.relkind in ('r', 'p') and not c.relispartition
      and c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
      and c.relname not in (select json_array_elements_text(${internal}::text::json))
    group by c.relname, a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull
    order by c.relname collate "C", a.attnum
  `);
  const references = await db.query<Reference>(sql`
    select c.relname as table, t.relname as target,
      (select string_agg(attname, ', ' order by n) from unnest(k.conkey) with ordinality u(num, n)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = num) as columns,
      (select bool_and(attnotnull) from pg_attribute a
        where a.attrelid = c.oid and a.attnum = any(k.conkey)) as required,
      exists (select from pg_index i where i.indrelid = c.oid and i.indisunique
        and i.indpred is null and i.indexprs is null and i.indnkeyatts > 0
        and (string_to_array(i.indkey::text, ' ')::int2[])[1:i.indnkeyatts] <@ k.conkey) as single
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    join pg_class t on t.oid = k.confrelid
    where k.contype = 'f' and k.conparentid = 0
    order by t.relname collate "C", c.relname collate "C", k.conname collate "C"
  `);
  const lines = ["erDiagram"];
  for (const { table, target, columns, required, single } of references) {
    const [one, many] = [required ? "||" : "|o", single ? "o|" : "o{"];
    lines.push(`  ${target} ${one}--${many} ${table} : "${columns}"`);
  }
  for (const table of new Set(columns.map((column) => column.table))) {
    lines.push(`  ${table} {`);
    for (const { name, type, required, key } of columns.filter((c) => c.table === table)) {
      // Mermaid takes words only.
      const word = asWeWrite(type).replace(/[^\w[\]]+/g, "_").replace(/_$/, "");
      lines.push(`    ${word} ${name}${key ? ` ${key}` : ""}${required ? "" : ' "null"'}`);
    }
    lines.push("  }");
  }
  return lines.join("\n");
}

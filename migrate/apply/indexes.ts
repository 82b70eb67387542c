import { type Database, sql } from "../../postgres/mod.ts";
import type { ParsedStatement } from "../files/grammar.ts";
import type { Finding } from "../finding.ts";
import type { Block, Migration } from "../files/migrations.ts";
import { project } from "../project.ts";

interface InvalidIndex {
  schema: string;
  name: string;
  table: string;
}

/** The indexes that a failed or cut off `create index concurrently` left, and nobody builds now. */
export async function invalidIndexes(db: Database): Promise<InvalidIndex[]> {
  return await db.query<InvalidIndex>(sql`
    select n.nspname as schema, c.relname as name, t.relname as table
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = c.relnamespace
    where not i.indisvalid and c.relkind = 'i'
      and not exists (select from pg_stat_progress_create_index p where p.index_relid = c.oid)
    order by 1, 2
  `);
}

/** The index that a block builds concurrently, if that is what it does. */
export async function builtIndex(block: Block): Promise<ParsedStatement | undefined> {
  if (block.transaction) return;
  const { parseBlock } = await import("../files/grammar.ts");
  return (await parseBlock(block)).find(({ kind, fields }) =>
    kind === "IndexStmt" && fields.concurrent
  );
}

/** The pending migrations that build an index of which a broken one is there already. */
export async function brokenIndexes(db: Database, pending: Migration[]): Promise<Finding[]> {
  const concurrent = pending.filter(({ up }) => !up.transaction);
  if (concurrent.length === 0) return [];
  const broken = await invalidIndexes(db);
  const findings: Finding[] = [];
  for (const { path, up } of broken.length > 0 ? concurrent : []) {
    const statement = await builtIndex(up);
    const found = broken.find(({ name }) => name === statement?.fields.idxname);
    if (!statement || !found) continue;
    findings.push({
      path,
      line: statement.line,
      rule: "invalid-index",
      message: `an earlier failure left the invalid index ${found.name} on ${found.table}`,
      remedy: dropRemedy(found),
    });
  }
  return findings;
}

export function dropRemedy({ schema, name }: InvalidIndex): string {
  return `remove what made it fail, then \`drop index concurrently ${quote(schema)}.${
    quote(name)
  }\`, then \`${project.command} up\``;
}

function quote(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** How far a cut off build came: the catalogs know. */
export async function buildState(
  db: Database,
  index: string,
): Promise<"absent" | "invalid" | "valid"> {
  const [row] = await db.query<{ valid: boolean }>(sql`
    select i.indisvalid as valid from pg_index i
    join pg_class c on c.oid = i.indexrelid
    where c.relname = ${index} and pg_table_is_visible(c.oid)
  `);
  return row ? row.valid ? "valid" : "invalid" : "absent";
}

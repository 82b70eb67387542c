import { type Database, sql, Statement } from "../../postgres/mod.ts";
import { readShapes } from "./rows_query.ts";
import { readDrawings } from "./sequences.ts";

/**
 * The rows of all tables as statements that put them in as they are, past the tables' triggers, and
 * set their sequences; "" for none.
 */
export async function rowsText(db: Database): Promise<string> {
  const statements: string[] = [];
  const triggers: string[] = [];
  for (const { name, stored } of await readShapes(db)) {
    if (!stored) continue;
    const [table] = await db.query<{ columns: string; values: string; identity: boolean }>(sql`
      select string_agg(quote_ident(attname), ', ' order by attnum) as columns,
        string_agg(format('coalesce(quote_literal(%I::text), ''null'')', attname), ' || '', '' || ' order by attnum) as values,
        bool_or(attidentity = 'a') as identity
      from pg_attribute
      where attrelid = ${name}::regclass and attnum > 0 and not attisdropped and attgenerated = ''
    `);
    if (!table?.columns) continue;
    const [rows] = await db.query<{ text: string | null }>(verbatim(
      `select string_agg('  (' || ${table.values} || ')', e',\\n') as text from only ${name}`,
    ));
    if (!rows?.text) continue;
    const overriding = table.identity ? " overriding system value" : "";
    for (const { trigger, state } of await triggersOf(db, name)) {
      statements.push(`alter table ${name} disable trigger ${trigger};`);
      triggers.push(`alter table ${name} enable ${state}trigger ${trigger};`);
    }
    statements.push(`insert into ${name} (${table.columns})${overriding} values\n${rows.text};`);
  }
  if (statements.length === 0) return "";
  // No trigger comes back while a deferred check waits.
  if (triggers.length > 0) statements.push("set constraints all immediate;", ...triggers);
  for (const { sequence } of await readDrawings(db)) {
    const [at] = await db.query<{ value: string; called: boolean }>(
      verbatim(`select last_value::text as value, is_called as called from ${sequence}`),
    );
    if (at?.called) {
      statements.push(`select setval('${sequence.replaceAll("'", "''")}', ${at.value});`);
    }
  }
  return `\n\n${statements.join("\n\n")}`;
}

/** The triggers that an insert into a table would fire. */
async function triggersOf(
  db: Database,
  table: string,
): Promise<{ trigger: string; state: "" | "always " }[]> {
  return await db.query(sql`
    select quote_ident(tgname) as trigger, case tgenabled when 'A' then 'always ' else '' end as state
    from pg_trigger
    where tgrelid = ${table}::regclass and not tgisinternal and tgenabled in ('O', 'A')
    order by tgname
  `);
}

/** A text of catalog names as a statement. */
function verbatim(text: string) {
  return new Statement([text], []);
}

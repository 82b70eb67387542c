import { type Database, sql } from "../../postgres/mod.ts";
import { GrammarError, parseBlock, type ParsedStatement } from "../files/grammar.ts";
import type { Block } from "../files/migrations.ts";
import { namesOf, sqlPattern, withoutQuotes } from "../files/sql_text.ts";

const names = sqlPattern(String.raw`\s+<name>(?:\s*,\s*<name>)*`, "y");

/**
 * The text of a block as the database of `db` has to have it. A migration that alters its database,
 * comments it or grants rights on it has to name it; a scratch database is called otherwise, and one
 * of that name on its server is none of ours.
 */
export async function onDatabase(
  db: Database,
  block: Pick<Block, "text" | "line">,
): Promise<string> {
  const { text } = block;
  if (!/\bdatabase\b/i.test(text)) return text;
  const named = await databasesIn(block);
  if (named.size === 0) return text;
  const [row] = await db.query<{ name: string }>(sql`
    select quote_ident(current_database()) as name`);
  let result = "", rest = 0;
  for (const { index, 0: words } of withoutQuotes(text).matchAll(/\b(?:alter|on)\s+database\b/gi)) {
    const start = names.lastIndex = index + words.length;
    const [list] = names.exec(text) ?? [];
    const [name = ""] = namesOf((list ?? "").split(",")[0]!.trim());
    if (!list || !named.has(name) && !named.has(name.toLowerCase())) continue;
    result += `${text.slice(rest, start)} ${row!.name}`;
    rest = start + list.length;
  }
  return result + text.slice(rest);
}

/** The databases that statements of a block name as what they change. */
async function databasesIn(block: Pick<Block, "text" | "line">): Promise<Set<string>> {
  try {
    return new Set((await parseBlock(block)).flatMap(databasesOf));
  } catch (error) {
    // The server says what it thinks of the text.
    if (error instanceof GrammarError) return new Set();
    throw error;
  }
}

function databasesOf({ kind, fields }: ParsedStatement): string[] {
  if (/^AlterDatabase/.test(kind)) return [fields.dbname];
  if ((fields.objtype ?? fields.objectType) !== "OBJECT_DATABASE") return [];
  const objects: { String?: { sval: string } }[] = fields.objects ?? [fields.object];
  return objects.flatMap((object) => object?.String?.sval ?? []);
}

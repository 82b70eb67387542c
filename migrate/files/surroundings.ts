import type { ParsedStatement } from "./grammar.ts";
import type { Block, Migration } from "./migrations.ts";

/** The roles of a server that migrations make, and those that they expect to be there. */
export interface Roles {
  made: string[];
  named: string[];
}

/** What stands for a role without being the name of one. */
const special = /^(public|pg_\w+)$/;

/** The roles that occur in migrations, in their order. */
export async function rolesOf(migrations: Migration[]): Promise<Roles> {
  return await rolesIn(blocksOf(migrations));
}

/**
 * The roles that occur in a script, or in several. A name inside a function's body or a `do` block
 * is not seen: there it is only a text.
 */
export async function rolesIn(scripts: Script[]): Promise<Roles> {
  const made = new Set<string>();
  const named = new Set<string>();
  const words = /\b(role|user|group|grant|revoke|owner|policy|privileges|authorization)\b/i;
  for (const { kind, fields } of await statementsWith(words, scripts)) {
    if (kind === "CreateRoleStmt") made.add(fields.role);
    else collect(fields, named);
  }
  return { made: [...made], named: [...named].filter((name) => !made.has(name)) };
}

/** The schemas that migrations make. */
export async function schemasOf(migrations: Migration[]): Promise<string[]> {
  const statements = await statementsWith(/\bschema\b/i, blocksOf(migrations));
  return statements.filter(({ kind }) => kind === "CreateSchemaStmt")
    .map(({ fields }) => fields.schemaname);
}

type Script = Pick<Block, "text" | "line">;

function blocksOf(migrations: Migration[]): Script[] {
  return migrations.flatMap(({ up, down }) => [up, down]);
}

/** The statements of the scripts in which some words occur. What does not parse is told elsewhere. */
async function statementsWith(words: RegExp, scripts: Script[]): Promise<ParsedStatement[]> {
  const { GrammarError, parseBlock } = await import("./grammar.ts");
  const found: ParsedStatement[] = [];
  for (const script of scripts) {
    if (!words.test(script.text)) continue;
    try {
      found.push(...await parseBlock(script));
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
    }
  }
  return found;
}

/** Adds every role that a part of a parse tree names. */
function collect(node: unknown, names: Set<string>) {
  if (typeof node !== "object" || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    const role = value as { roletype?: string; rolename?: string };
    if (role?.roletype === "ROLESPEC_CSTRING" && role.rolename && !special.test(role.rolename)) {
      names.add(role.rolename);
    }
    // The roles that `grant a to b` gives.
    if (key === "granted_roles") {
      for (const { AccessPriv } of value as { AccessPriv: { priv_name: string } }[]) {
        if (!special.test(AccessPriv.priv_name)) names.add(AccessPriv.priv_name);
      }
    }
    collect(value, names);
  }
}

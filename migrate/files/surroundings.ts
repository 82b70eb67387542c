import type { ParsedStatement } from "./grammar.ts";
import type { Block, Migration } from "./migrations.ts";
import { namesOf, sqlPattern } from "./sql_text.ts";

/** The roles of a server that migrations make, and those that they expect to be there. */
export interface Roles {
  made: string[];
  named: string[];
  /** Those of the named ones that a migration takes for itself: `set role a`. */
  taken: string[];
}

/** What stands for a role without being the name of one. */
const special = /^(public|pg_\w+)$/;

/** A role that a `do` block makes, which has only a text: mostly where it is not there yet. */
const madeInText = sqlPattern(String.raw`\bcreate\s+(?:role|user)\s+(<name>)`, "gi");

/**
 * The roles that occur in migrations, in their order, and those of scripts, which are expected even
 * where a script says how they are made: a role is the server's, and no part of a schema. Of a `do`
 * block it is seen what it makes before anything names it; of a function's body nothing.
 */
export async function rolesOf(migrations: Migration[], scripts: string[] = []): Promise<Roles> {
  const made = new Set<string>();
  const named = new Set<string>();
  const taken = new Set<string>();
  const words = /\b(role|user|group|grant|revoke|owner|policy|privileges|authorization)\b/i;
  for (const { kind, fields, text } of await statementsWith(words, blocksOf(migrations))) {
    if (isNewRole(kind)) made.add(fields.role);
    else if (isTaken(fields)) taken.add(fields.args[0].A_Const.sval.sval);
    else if (kind !== "DoStmt") collect(fields, named);
    else {
      for (const [, found] of text.matchAll(madeInText)) {
        const name = found!.startsWith('"') ? namesOf(found!)[0]! : found!.toLowerCase();
        if (!named.has(name)) made.add(name);
      }
    }
  }
  const blocks = scripts.map((text) => ({ text, line: 1 }));
  for (const { kind, fields } of await statementsWith(words, blocks)) {
    if (isNewRole(kind)) named.add(fields.role);
    else collect(fields, named);
  }
  const expected = [...named.union(taken)].filter((name) => !made.has(name));
  return { made: [...made], named: expected, taken: [...taken] };
}

/** Whether it takes another role: `set role a`, `set session authorization a`. */
// deno-lint-ignore no-explicit-any -- a parse tree
function isTaken({ name, args }: any): boolean {
  return /^(role|session_authorization)$/.test(name) && Boolean(args?.[0]?.A_Const?.sval) &&
    args[0].A_Const.sval.sval !== "none";
}

/** Whether a statement of this kind makes a role. */
export const isNewRole = (kind: string): boolean => kind === "CreateRoleStmt";

/** The schemas that migrations make. */
export async function schemasOf(migrations: Migration[]): Promise<string[]> {
  const statements = await statementsWith(/\bschema\b/i, blocksOf(migrations));
  return statements.filter(({ kind }) => kind === "CreateSchemaStmt")
    .map(({ fields }) => fields.schemaname);
}

const blocksOf = (migrations: Migration[]) => migrations.flatMap(({ up, down }) => [up, down]);

/** The statements of the blocks in which some words occur. What does not parse is told elsewhere. */
async function statementsWith(
  words: RegExp,
  blocks: Pick<Block, "text" | "line">[],
): Promise<ParsedStatement[]> {
  const { GrammarError, parseBlock } = await import("./grammar.ts");
  const found: ParsedStatement[] = [];
  for (const block of blocks) {
    if (!words.test(block.text)) continue;
    try {
      found.push(...await parseBlock(block));
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

import type { Migration } from "./migrations.ts";

/** The roles of a server that migrations make, and those that they expect to be there. */
export interface Roles {
  made: string[];
  named: string[];
}

/** What stands for a role without being the name of one. */
const special = /^(public|pg_\w+)$/;

/**
 * The roles that occur in migrations, in their order. A name inside a function's body or a `do`
 * block is not seen: there it is only a text.
 */
export async function rolesOf(migrations: Migration[]): Promise<Roles> {
  const made = new Set<string>();
  const named = new Set<string>();
  const { GrammarError, parseBlock } = await import("./grammar.ts");
  const words = /\b(role|user|group|grant|revoke|owner|policy|privileges|authorization)\b/i;
  for (const { up, down } of migrations) {
    for (const block of [up, down].filter(({ text }) => words.test(text))) {
      try {
        for (const { kind, fields } of await parseBlock(block)) {
          if (kind === "CreateRoleStmt") made.add(fields.role);
          else collect(fields, named);
        }
      } catch (error) {
        // What PostgreSQL does not parse is told elsewhere.
        if (!(error instanceof GrammarError)) throw error;
      }
    }
  }
  return { made: [...made], named: [...named].filter((name) => !made.has(name)) };
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

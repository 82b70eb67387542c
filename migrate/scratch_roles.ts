import { type Database, DatabaseError, sql } from "../postgres/mod.ts";
import type { DatabaseSettings } from "../postgres/settings.ts";
import { exit, Failure } from "./command.ts";
import { quoteName } from "./databases.ts";
import type { Migration } from "./files/migrations.ts";
import { type Roles, rolesOf } from "./files/surroundings.ts";

/** Whether migrations touch what the databases of a server share: such need a server alone. */
export async function needsServerAlone(migrations: Migration[]): Promise<boolean> {
  const { made, named } = await rolesOf(migrations);
  return made.length + named.length > 0;
}

/** Until its session ends, nobody else has a scratch server with roles here. */
export const forRoles = sql`select pg_advisory_lock(hashtextextended('scratch roles', 0))`;

/**
 * Makes the roles that migrations expect and the server lacks. Returns those that have to go again,
 * the ones that the migrations make themselves among them. Until then nobody else has a scratch server
 * with roles here: their names belong to the server as a whole.
 */
export async function makeRoles(
  db: Database,
  server: DatabaseSettings,
  { migrations = [], scripts = [] }: { migrations?: Migration[]; scripts?: string[] },
): Promise<Roles> {
  const roles = await rolesOf(migrations, scripts);
  const { made, named, taken } = roles;
  if (made.length + named.length === 0) return roles;
  await db.query(forRoles);
  const wanted = JSON.stringify([...made, ...named]);
  const there = await db.query<{ rolname: string }>(sql`
    select rolname from pg_roles
    where rolname in (select json_array_elements_text(${wanted}::text::json))`);
  const known = new Set(there.map(({ rolname }) => rolname));
  const [own] = await db.query<{ super: boolean }>(sql`
    select rolsuper as super from pg_roles where rolname = current_user`);
  for (const name of named.filter((name) => !known.has(name))) {
    // It may do on the real server what its migrations do; which rights that takes, nobody says here.
    const rights = own!.super && taken.includes(name) ? " superuser" : "";
    await allowed(server, "createrole", () => db.script(`create role ${quoteName(name)}${rights}`));
  }
  const ours = (names: string[]) => names.filter((name) => !known.has(name));
  return { made: ours(made), named: ours(named), taken };
}

/** Tells which right the role lacks, where the server refuses it something. */
export async function allowed<Result>(
  { user }: DatabaseSettings,
  right: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== "42501") throw error;
    throw new Failure(
      `SCRATCH_DATABASE_URL: ${error.message}: \`alter role ${user} ${right}\`, or unset it for a server of its own`,
      exit.unreachable,
    );
  }
}

import { type Database, sql } from "../postgres/mod.ts";
import { versionsTable } from "./bookkeeping.ts";

/** PostgreSQL's words with its detail, and its hint or what is better to say here. */
export function explained(
  { message, fields }: { message: string; fields: { detail?: string; hint?: string } },
): string {
  const advice = missingClass(message) ?? fields.hint?.replace(/\.$/, "");
  return message + (fields.detail ? ` (${fields.detail})` : "") + (advice ? `; ${advice}` : "");
}

/**
 * The option of a table, column, index or publication, or a function's setting, that this server does
 * not know, where that is the fault.
 */
export function unknownOption(message: string): string | undefined {
  return /^unrecognized (?:(?:configuration )?parameter|publication parameter:) "([\w.]+)"$/
    .exec(message)?.[1];
}

/** An exclusion constraint that compares plain values: PostgreSQL does not name the extension. */
export function missingClass(message: string): string | undefined {
  return /^data type .* has no default operator class for access method "gist"/.test(message)
    ? "`create extension btree_gist` before it"
    : undefined;
}

/** What keeps dbmate's table where dbmate looks for it when it records a migration. */
export const keepRecord =
  "leave that table where it is, and the search_path too (end with `reset search_path`), or name " +
  "the table with its schema in DBMATE_MIGRATIONS_TABLE";

/** What to do where dbmate has no table to record a migration in that ran. */
export function missingRecord(message: string): string | undefined {
  const [, table] = /^relation "(?:.*\.)?(.+)" does not exist\b/.exec(message) ?? [];
  return table === versionsTable().name ? `dbmate records it there; ${keepRecord}` : undefined;
}

/** What to do about an extension that the server has no files of. */
export function missingExtension(message: string): string | undefined {
  return /^extension ".*" is not available/.test(message)
    ? "install the extension on that server"
    : undefined;
}

/** Who has to do what where this role may not make an extension. */
export async function deniedExtension(db: Database, message: string): Promise<string | undefined> {
  const [, name] = /^permission denied to create extension "(.+)"$/.exec(message) ?? [];
  if (name === undefined) return undefined;
  const [row] = await db.query<{ extension: string; grant: string; trusted: boolean }>(sql`
    select
      quote_ident(${name}) as extension,
      format('grant create on database %I to %I', current_database(), current_user) as grant,
      exists (
        select from pg_available_extension_versions where name = ${name} and trusted
      ) as trusted`);
  const { extension, grant, trusted } = row!;
  return trusted
    ? `let its owner or an administrator run \`${grant}\``
    : `let a superuser run \`create extension ${extension}\` in this database, write ` +
      `\`create extension if not exists ${extension}\` here`;
}

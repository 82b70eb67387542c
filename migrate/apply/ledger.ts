import { type Database, sql } from "../../postgres/mod.ts";
import {
  createVersionsSchema,
  ledgerName,
  ledgerSql,
  versionsPlace,
  versionsTable,
  versionsTableName,
  versionsTableSql,
} from "../bookkeeping.ts";
import { environment } from "../project.ts";
import type { Migration } from "../files/migrations.ts";

/** What was done with a migration. `adopt` is the record of what plain dbmate had applied. */
export type Action = "up" | "down" | "stamp" | "adopt";

export interface Entry {
  id: string;
  version: string;
  file: string;
  action: Action;
  checksum: string;
  /** The whole file, line feeds only: with it an older checkout can revert a newer migration. */
  content: string;
  /** The person or the machine, as the environment names them. */
  author: string;
  /** The database's role. */
  role: string;
  started_at: string;
  finished_at: string | null;
  /** Null while it runs, and for ever after a run that was cut off. */
  outcome: "done" | "failed" | null;
}

/**
 * Makes the ledger: one row for each time that a migration was applied, reverted or recorded.
 * dbmate knows nothing of it, so that dbmate by hand goes on working; what it did shows as a row of
 * schema_migrations that the ledger lacks. The schema is made as dbmate would make it a moment later:
 * a ledger in the schema behind it would be out of sight from then on.
 */
export async function createLedger(db: Database) {
  const schema = createVersionsSchema();
  if (schema) await db.script(schema);
  if (await exists(db, ledgerName())) return;
  await db.script(`
    create table if not exists ${ledgerName()} (
      id bigint generated always as identity,
      version text not null,
      file text not null,
      action text not null,
      checksum text not null,
      content text not null,
      author text not null,
      role text not null default session_user,
      started_at timestamptz not null default clock_timestamp(),
      finished_at timestamptz,
      outcome text,
      constraint migration_ledger_pkey primary key (id),
      constraint migration_ledger_action_check check (action in ('up', 'down', 'stamp', 'adopt')),
      constraint migration_ledger_outcome_check check (outcome in ('done', 'failed'))
    )
  `);
}

/** The versions that dbmate has recorded, in its order; none where its table is not there. */
export async function readApplied(db: Database): Promise<string[]> {
  if (!await exists(db, versionsTableName())) return [];
  const rows = await db.query<{ version: string }>(
    sql`select version from ${versionsTableSql()} order by version collate "C"`,
  );
  return rows.map(({ version }) => version);
}

/** Every entry, the oldest first; none where there is no ledger. */
export async function readLedger(db: Database): Promise<Entry[]> {
  if (!await exists(db, ledgerName())) return [];
  return await db.query<Entry>(sql`
    select id::text, version, file, action, checksum, content, author, role, outcome,
      to_char(started_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as started_at,
      to_char(finished_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as finished_at
    from ${ledgerSql()} as ledger order by ledger.id
  `);
}

/**
 * Whether it is there; without a schema, where dbmate looks: in the first, not behind it. Of a table that
 * has a schema to itself the ledger is the first in sight: a migration may make the first schema.
 */
async function exists(db: Database, table: string): Promise<boolean> {
  const inSight = versionsTable().schema !== undefined;
  const [row] = await db.query<{ found: boolean }>(sql`
    select to_regclass(case
      when ${inSight} or strpos(${table}, '.') > 0 then ${table}
      else quote_ident(current_schema()) || '.' || ${table}
    end) is not null as found
  `);
  return row!.found;
}

/**
 * What is wrong where dbmate's table is behind the first schema of the search_path, and the server says
 * what that is: dbmate looks into the first alone. A migration may have made that schema, or changed the
 * search_path of the role or the database.
 */
export async function outOfSight(db: Database): Promise<string | undefined> {
  const { schema, name } = versionsPlace();
  if (schema !== undefined) return undefined;
  const [row] = await db.query<{ first: string; behind: string }>(sql`
    select current_schema() as first, n.nspname as behind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = to_regclass(${versionsTableName()}) and n.nspname <> current_schema()`);
  if (!row) return undefined;
  const { first, behind } = row;
  return `dbmate looks for ${name} in ${first}, the first schema of the search_path, and there is one in ${behind} only, so that it would begin anew: say which is meant by DBMATE_MIGRATIONS_TABLE=${behind}.${name} or ${first}.${name}`;
}

/** Notes that something begins, before it begins. Returns the entry's id. */
export async function begin(db: Database, migration: Migration, action: Action): Promise<string> {
  const { version, file, checksum, text } = migration;
  const [row] = await db.query<{ id: string }>(sql`
    insert into ${ledgerSql()} (version, file, action, checksum, content, author)
    values (${version}, ${file}, ${action}, ${checksum}, ${text}, coalesce(${author()}, session_user))
    returning id::text
  `);
  return row!.id;
}

export async function finish(db: Database, id: string, outcome: "done" | "failed") {
  await db.query(sql`
    update ${ledgerSql()} set outcome = ${outcome}, finished_at = clock_timestamp()
    where id = ${id}::bigint
  `);
}

/** Records what was done already, by hand or before there was a ledger. */
export async function record(db: Database, migration: Migration, action: "stamp" | "adopt") {
  await finish(db, await begin(db, migration, action), "done");
}

/** Who does it, as far as the environment tells; the database's role has to do for the rest. */
function author(): string | null {
  const { GITHUB_ACTOR, USER, LOGNAME, HOSTNAME } = environment();
  const person = GITHUB_ACTOR || USER || LOGNAME;
  return [person, HOSTNAME].filter(Boolean).join("@") || null;
}

import { connect, type Database, sql } from "../../postgres/mod.ts";
import { type DatabaseSettings, describeDatabase } from "../../postgres/settings.ts";
import { exit, Failure, nearest } from "../command.ts";
import { ledgerName, madeSchema, versionsTableName } from "../bookkeeping.ts";
import { homeSchema } from "../project.ts";
import { pause } from "./interrupt.ts";

export interface WaitOptions {
  /** How long a server that is not there yet is asked again. */
  waitMs?: number;
  signal?: AbortSignal;
  progress?(text: string): void;
}

/**
 * A connection to the database that a command works on, made and proven. A database that does not
 * exist is never created: the name may be a typing error. Throws a Failure with exit code 3.
 */
export async function openSession(
  settings: DatabaseSettings,
  { waitMs = 0, signal, progress }: WaitOptions = {},
): Promise<Database> {
  // A migration's bookkeeping waits for nobody, the lock's queue is polled: 30 s is a dead server.
  const db = connect(settings, { size: 1, deadlineMs: 30_000, applicationName: "migrate" });
  const until = Date.now() + waitMs;
  for (;;) {
    try {
      await db.query(sql`select 1`);
      return db;
    } catch (error) {
      if (isStarting(error) && Date.now() < until && !signal?.aborted) {
        progress?.(`waiting for ${describeDatabase(settings)}`);
        await pause(500, signal);
        continue;
      }
      await db.close();
      throw await explain(error, settings);
    }
  }
}

/** The SQLSTATE that the server refused a connection with, if it answered at all. */
function refusal(error: unknown): string | undefined {
  const { code } = error as { code?: string };
  return code && /^\d[0-9A-Z]{4}$/.test(code) ? code : undefined;
}

/** A server that is not up yet hangs up, or says that it is starting; others answer with a reason. */
function isStarting(error: unknown): boolean {
  const code = refusal(error);
  return code === undefined || /^(57P0|08|53300)/.test(code);
}

async function explain(error: unknown, settings: DatabaseSettings): Promise<Failure> {
  const said = (error as Error).message;
  switch (refusal(error)) {
    case "3D000": {
      const guess = nearest(settings.database, await databases(settings));
      return new Failure(
        `there is no database ${settings.database} on ${settings.host}:${settings.port}: ${
          guess ? `did you mean ${guess}? otherwise ` : ""
        }create it with \`create database\`; nothing was created`,
        exit.unreachable,
      );
    }
    case "42501":
      return new Failure(
        `${settings.user} may not connect (${said}): \`grant connect on database ${settings.database} to ${settings.user}\`, or use another role`,
        exit.unreachable,
      );
    case "28P01":
    case "28000":
      return new Failure(
        `the server refused the login (${said}): look at the user and the password in DATABASE_URL`,
        exit.unreachable,
      );
    default:
      return new Failure(
        `the database cannot be reached (${said}): is the server running, and DATABASE_URL right? --wait waits for one that is starting`,
        exit.unreachable,
      );
  }
}

/** The names of the databases of a server, as far as one may know them. */
async function databases(settings: DatabaseSettings): Promise<string[]> {
  const db = connect({ ...settings, database: "postgres" }, { size: 1, deadlineMs: 30_000 });
  try {
    const rows = await db.query<{ datname: string }>(
      sql`select datname from pg_database where not datistemplate`,
    );
    return rows.map(({ datname }) => datname);
  } catch {
    return [];
  } finally {
    await db.close();
  }
}

/**
 * Refuses a database on which a migration would fail half-way: a replica, a session that only
 * reads, a role that may not create. Throws a Failure with exit code 3.
 */
export async function requireWritable(db: Database, settings: DatabaseSettings) {
  const own = madeSchema() ?? null;
  const [facts] = await db.query<{
    version: number;
    replica: boolean;
    read_only: boolean;
    schema: string | null;
    made: boolean;
    may_create: boolean;
    unwritable: string | null;
    role: string;
    selected: boolean;
  }>(sql`
    select
      current_setting('server_version_num')::int as version,
      pg_is_in_recovery() as replica,
      current_setting('transaction_read_only') = 'on' as read_only,
      home.name as schema,
      made.oid is not null as made,
      coalesce(
        has_schema_privilege(made.oid, 'create'),
        has_database_privilege(current_database(), 'create')
      ) as may_create,
      (
        select c.oid::regclass::text from pg_class c
        where c.oid in (to_regclass(${versionsTableName()}), to_regclass(${ledgerName()}))
          and not (
            has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')
            and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete')
          )
        limit 1
      ) as unwritable,
      current_user as role,
      current_schema() is not null as selected
    from (select coalesce(${own}, current_schema()) as name) home
    left join pg_namespace made on made.nspname = home.name
  `);
  const { version, replica, read_only, schema, may_create, unwritable, made, role, selected } =
    facts!;
  const where = describeDatabase(settings);
  const refuse = (text: string) => new Failure(`${where} ${text}`, exit.unreachable);
  if (version < 150000) {
    throw refuse(`is PostgreSQL ${Math.floor(version / 10000)}: 15 or newer is needed`);
  }
  if (replica) {
    throw refuse("is a read-only replica: set DATABASE_URL to the primary; nothing was changed");
  }
  if (read_only) {
    throw refuse(
      "only reads: default_transaction_read_only is on for this role or database; nothing was changed",
    );
  }
  if (schema === null) {
    throw refuse("has no schema on the search_path: create it, or set search_path for the role");
  }
  const meant = homeSchema();
  if (!selected && own !== null && own !== meant) {
    throw refuse(
      `has no schema ${meant}, as which the server reads "${own}", the first of search_path in DATABASE_URL, and dbmate makes another one: write it in lower case and without quotes; nothing was changed`,
    );
  }
  if (!may_create && !made) {
    throw refuse(
      `does not let ${role} make the schema ${schema}, the first of the search_path: make it by the database's owner, or use that role; nothing was changed`,
    );
  }
  if (!may_create) {
    throw refuse(
      `lets ${role} create nothing in the schema ${schema}: \`grant usage, create on schema ${schema} to ${role}\`, or use the owner's role; nothing was changed`,
    );
  }
  if (unwritable) {
    throw refuse(
      `does not let ${role} write ${unwritable}: use the role that applied the migrations so far, or \`grant select, insert, update, delete on ${unwritable} to ${role}\`; nothing was changed`,
    );
  }
}

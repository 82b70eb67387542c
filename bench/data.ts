import { formatKey, newSecret } from "../db/_secret.ts";
import { startEmbedded } from "../embedded/mod.ts";
import { installKey } from "../db/keys.ts";
import { connect, type Database, sql } from "../postgres/mod.ts";
import {
  type DatabaseSettings,
  describeDatabase,
  readDatabaseSettings,
} from "../postgres/settings.ts";
import { migrate } from "../migrate/apply/dbmate.ts";

/** The middle of the API keys; the peers know it as well. */
export const environment = "bench";

const email = "bench@slate.example";

export interface Data {
  /** The caller's API key, and the caller's id. */
  key: string;
  owner: string;
  /** The caller's todos have the ids from 1 to this. */
  todos: number;
}

/** A database with the schema and a caller. */
export interface Bench extends AsyncDisposable {
  settings: DatabaseSettings;
  db: Database;
  data: Data;
  /** What the database is, for the report. */
  server: string;
}

/**
 * The database that DATABASE_URL or PGHOST names, which must be empty or a bench's own: its todos
 * are thrown away. Without one, an ephemeral PostgreSQL, which syncs nothing to the disk:
 * what is compared are programs, not disks.
 */
export async function createBench(todos: number): Promise<Bench> {
  const env = Deno.env.toObject();
  const named = env.DATABASE_URL || env.PGHOST;
  const embedded = named ? undefined : await startEmbedded({ owner: "deno task bench" });
  const { settings = embedded?.settings, faults } = readDatabaseSettings(env);
  if (!settings) throw new Error(faults.join("\n"));
  const db = connect(settings, { size: 1, deadlineMs: 3_600_000 });
  await migrate(settings);
  const others = await db.query(sql`select from users where email <> ${email} limit 1`);
  if (others.length > 0) {
    throw new Error(`${describeDatabase(settings)} has users: give the bench one of its own`);
  }
  const { secret, hash } = newSecret();
  const [row] = await installKey(db, { email, scope: "write", name: "bench", hash });
  const [owner] = await db.query<{ id: string }>(sql`select id from users`);
  const [{ version } = { version: "" }] = await db.query<{ version: string }>(
    sql`select current_setting('server_version') as version`,
  );
  const key = formatKey(environment, { ownerId: row!.owner_id, id: row!.id, secret });
  return {
    settings,
    db,
    data: { key, owner: owner!.id, todos },
    server: `PostgreSQL ${version}${embedded ? ", embedded, without fsync" : ""}`,
    async [Symbol.asyncDispose]() {
      await db.close();
      await embedded?.stop();
    },
  };
}

/**
 * The same todos before each measurement, whatever the one before made of them: the caller's have
 * the ids from 1 to `count` and version 1. One of three is completed, one of two has a due date,
 * and one of a thousand is about chemistry.
 */
export async function fill(db: Database, count: number) {
  await db.script("truncate todos restart identity");
  // Without the look-up of each row's owner, which is right here and would double the time.
  await db.script(`
    set session_replication_role = replica;
    insert into todos (owner_id, description, completed, due_date)
    select
      u.id,
      'Mark essay ' || n || ' of the course on '
        || case when n % 1000 = 0 then 'chemistry' else (array['history', 'logic', 'art'])[n % 3 + 1] end,
      n % 3 = 0,
      case when n % 2 = 0 then timestamptz '2030-01-01 09:00:00+00' + n * interval '1 minute' end
    from generate_series(1, ${count}) n, users u
    order by n`);
  await db.script("vacuum analyze todos");
}

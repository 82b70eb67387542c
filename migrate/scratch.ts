import { resolve } from "node:path";
import { whenTaskIsGone } from "../embedded/watchdog.ts";
import { connect, type Database, DatabaseError, sql, Unreachable } from "../postgres/mod.ts";
import {
  type DatabaseSettings,
  describeDatabase,
  readDatabaseSettings,
} from "../postgres/settings.ts";
import { versionsPlace } from "./bookkeeping.ts";
import { exit, Failure } from "./command.ts";
import { quoteName } from "./databases.ts";
import type { Migration } from "./files/migrations.ts";
import { type Roles, schemasOf } from "./files/surroundings.ts";
import { environment, project, schemasOfPath, searchPathOfUrl } from "./project.ts";
import { allowed, forRoles, makeRoles } from "./scratch_roles.ts";

/** A server on which a command may try things out. Disposing leaves nothing behind. */
export interface Scratch extends AsyncDisposable {
  /**
   * Creates a database as dbmate finds it, which has only dbmate's own table, or a copy of another
   * one on the same server.
   */
  create(template?: DatabaseSettings): Promise<DatabaseSettings>;
  /** Drops a database and what its migrations made of roles, and creates an empty one. */
  renew(old: DatabaseSettings): Promise<DatabaseSettings>;
}

export interface ScratchOptions {
  /** What they name and do not make themselves is there: roles, schemas of the search_path. */
  migrations?: Migration[];
  /** Other SQL, whose roles are there as well. */
  scripts?: string[];
  /** The search_path of each session, as the server has it that the migrations are for. */
  searchPath?: string;
}

/**
 * The server that SCRATCH_DATABASE_URL names, whose role must be allowed to create databases, else
 * an embedded one of its own.
 */
export async function openScratch(options: ScratchOptions = {}): Promise<Scratch> {
  const searchPath = options.searchPath ?? searchPathOfUrl();
  const server = await openServer();
  try {
    if (!server.stop) await dropAbandoned(server.db);
    server.roles = await makeRoles(server.db, server.settings, options);
    const copy = await copier(server, searchPath);
    const base = await copy("template0");
    await prepare(base, searchPath, options.migrations ?? []);
    return {
      create: (template = base) => copy(template.database),
      async renew({ database }) {
        // A role can go when no other copy grants it anything either.
        const copies = server.created.filter((name) => name !== base.database);
        const { made } = server.roles;
        await drop(server.db, server.settings, made.length > 0 ? copies : [database], made);
        return await copy(base.database);
      },
      [Symbol.asyncDispose]: () => clear(server),
    };
  } catch (error) {
    await clear(server);
    throw error;
  }
}

/** A scratch server in use, and all that has to go again. */
interface Server {
  settings: DatabaseSettings;
  db: Database;
  created: string[];
  roles: Roles;
  /** Takes it away as a whole: it is one of its own. */
  stop?: () => Promise<void>;
}

async function openServer(): Promise<Server> {
  const { SCRATCH_DATABASE_URL } = environment();
  lastOpened = undefined;
  const own = SCRATCH_DATABASE_URL ? undefined : await startScratch();
  const settings = own?.settings ?? scratchSettings(SCRATCH_DATABASE_URL!);
  lastOpened = describeDatabase(settings);
  return {
    settings,
    db: connect(settings, { session: true, deadlineMs: 300_000 }),
    created: [],
    roles: { made: [], named: [], taken: [] },
    ...own && { stop: () => own.stop() },
  };
}

/** What copies a database, under a name that tells whose it is, with the settings of a proof. */
async function copier({ settings, db, created }: Server, searchPath: string | undefined) {
  const [strategy, session] = [await copyStrategy(db), await ownSession(db)];
  return async (template: string): Promise<DatabaseSettings> => {
    const database = `scratch_${session}_${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
    await allowed(
      settings,
      "createdb",
      () => db.script(`create database ${database} template ${template} ${strategy}`),
    );
    created.push(database);
    // The same long questions again and again, of small catalogs: planned once, without what pays off
    // for many rows alone, and never compiled.
    await db.script(`alter database ${database} set plan_cache_mode = force_generic_plan`);
    await db.script(`alter database ${database} set enable_memoize = off`);
    await db.script(`alter database ${database} set jit = off`);
    const path = schemasOfPath(searchPath ?? "").map(quoteName).join(", ");
    if (path) await db.script(`alter database ${database} set search_path = ${path}`);
    return { ...settings, database };
  };
}

/** Drops databases and roles, by the server's session or, where that has ended, by another. */
async function drop(
  by: Database,
  settings: DatabaseSettings,
  databases: string[],
  roles: string[],
) {
  for (const database of databases) await dropDatabase(by, { ...settings, database });
  // All at once: one may have granted the membership of another.
  if (roles.length > 0) await by.script(`drop role if exists ${roles.map(quoteName).join(", ")}`);
}

/** Leaves nothing behind. What cannot be reached the next run will clear: the work has told of it. */
async function clear({ settings, db, created, roles, stop }: Server) {
  try {
    // The embedded one goes away as a whole.
    if (stop) return;
    const left = [...roles.made, ...roles.named];
    await drop(db, settings, created, left).catch(async (error) => {
      if (!(error instanceof Unreachable)) throw error;
      // Its session was ended, not the server.
      await once(settings, async (another) => {
        if (left.length > 0) await another.query(forRoles);
        await drop(another, settings, created, left);
      });
    });
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
  } finally {
    await db.close();
    await stop?.();
  }
}

/** The scratch server, as messages about its connections begin. */
let lastOpened: string | undefined;

/** What to do about a connection to the scratch server that broke; undefined: it was another one. */
export function scratchRemedy({ message }: Unreachable): string | undefined {
  const isOurs = /^scratch_\d/.test(message) || lastOpened && message.startsWith(lastOpened);
  if (!isOurs) return;
  return environment().SCRATCH_DATABASE_URL
    ? "the scratch server ended it, and nothing else was touched: run it again, or unset SCRATCH_DATABASE_URL for a server of its own"
    : "the scratch server ended it, and nothing else was touched: run it again";
}

async function once(server: DatabaseSettings, work: (db: Database) => Promise<void>) {
  const db = connect(server, { session: true, deadlineMs: 300_000 });
  try {
    await work(db);
  } finally {
    await db.close();
  }
}

/** A session of the server, as long as that runs: numbers of processes come again. */
const sessionName = sql`a.pid || '_' || (extract(epoch from a.backend_start) * 1000000)::bigint`;

async function ownSession(db: Database): Promise<string> {
  const [row] = await db.query<{ name: string }>(sql`
    select ${sessionName} as name from pg_stat_activity a where a.pid = pg_backend_pid()`);
  return row!.name;
}

/** Drops the databases of runs that were killed: those of which the session is over. */
async function dropAbandoned(db: Database) {
  const abandoned = await db.query<{ datname: string }>(sql`
    select d.datname
    from pg_database d
    where d.datname ~ '^scratch_[0-9]+_[0-9]+_[0-9a-f]{16}$' and pg_has_role(d.datdba, 'usage')
      and not exists (
        select from pg_stat_activity a
        where ${sessionName} = substring(d.datname from '^scratch_([0-9]+_[0-9]+)_')
      )`);
  for (const { datname } of abandoned) {
    try {
      await db.script(`drop database if exists ${datname}`);
    } catch (error) {
      // Something of that run is still at work in it: another one will find it.
      if (!(error instanceof DatabaseError && error.code === "55006")) throw error;
    }
  }
}

/** As dbmate finds it: with its table, in its schema, and what of the search_path no migration makes. */
async function prepare(
  settings: DatabaseSettings,
  searchPath: string | undefined,
  migrations: Migration[],
) {
  const db = connect(settings, { size: 1, deadlineMs: 60_000 });
  try {
    const { schema: own, name } = versionsPlace();
    // Of `App` dbmate makes "App", which is not what the server reads, and nobody makes app.
    const path = schemasOfPath(searchPath ?? "").filter((schema) =>
      !/\$user|^pg_/.test(schema) && (own?.toLowerCase() !== schema || own === schema)
    );
    const made = path.length > 0 ? await schemasOf(migrations) : [];
    for (
      const schema of [...path.filter((schema) => !made.includes(schema)), ...own ? [own] : []]
    ) {
      await db.script(`create schema if not exists ${quoteName(schema)}`);
    }
    const [home] = await db.query<{ schema: string }>(sql`
      select coalesce(${own ?? null}, current_schema(), 'public') as schema`);
    const table = [home!.schema, name].map(quoteName).join(".");
    await db.script(`create table ${table} (version varchar(128) primary key)`);
    await runPreparation(db);
  } finally {
    await db.close();
  }
}

/** The project's own script, for what its migrations expect and do not make. */
async function runPreparation(db: Database) {
  const { prepare } = project.config;
  if (prepare === undefined) return;
  try {
    await db.script(await Deno.readTextFile(resolve(project.root, prepare)));
  } catch (error) {
    const said = (error as Error).message;
    throw new Failure(`${prepare}, which prepares a scratch database, fails: ${said}`, exit.usage);
  }
}

/** A subscription keeps its database: it goes first, without a word to the publisher. */
async function dropDatabase(db: Database, settings: DatabaseSettings) {
  const drop = `drop database if exists ${settings.database} with (force)`;
  try {
    return await db.script(drop);
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== "55006") throw error;
  }
  const inside = connect(settings, { size: 1, deadlineMs: 60_000 });
  try {
    const subscriptions = await inside.query<{ name: string }>(sql`
      select quote_ident(subname) as name from pg_subscription
      where subdbid = (select oid from pg_database where datname = current_database())`);
    for (const { name } of subscriptions) {
      await inside.script(`alter subscription ${name} disable`);
      await inside.script(`alter subscription ${name} set (slot_name = none)`);
      await inside.script(`drop subscription ${name}`);
    }
  } finally {
    await inside.close();
  }
  await db.script(drop);
}

/** Where nothing is synced to a disk, a checkpoint is cheaper than a copy through the log. */
async function copyStrategy(db: Database): Promise<string> {
  const rows = await db.query(sql`select where current_setting('fsync') = 'off'`);
  return rows.length > 0 ? "strategy file_copy" : "";
}

async function startScratch() {
  // All that is under way is on this server: without a task nobody waits for it.
  whenTaskIsGone(() => Deno.exit(exit.unreachable));
  const { startEmbedded } = await import("../embedded/mod.ts");
  return await startEmbedded({ small: true });
}

function scratchSettings(url: string): DatabaseSettings {
  const { settings, faults } = readDatabaseSettings({ DATABASE_URL: url });
  if (settings) return settings;
  throw new Failure(
    faults.join("\n").replaceAll("DATABASE_URL", "SCRATCH_DATABASE_URL"),
    exit.usage,
  );
}

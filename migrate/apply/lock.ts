import { connect, type Database, sql } from "../../postgres/mod.ts";
import { keepApart } from "../../postgres/pooler.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { exit, Failure } from "../command.ts";
import { pause } from "./interrupt.ts";

/** The two halves of the advisory lock's key, the same in every release: older ones may run beside. */
const key = { high: 0x736c6174, low: 0x6d696772 };
/** What dbmate's own sessions are called, so that one whose parent died can be found. */
export const engineName = "migrate engine";
const heartbeat = 2_000;

export interface Lock extends AsyncDisposable {
  /** Aborted when the lock is no longer certain to be ours. */
  lost: AbortSignal;
}

export interface LockOptions {
  /** Milliseconds to wait for whoever holds it. */
  timeoutMs: number;
  signal: AbortSignal;
  progress(text: string): void;
}

/**
 * Takes the lock that lets one run at a time change a database: an advisory lock of a session of
 * its own, outside any transaction, and polled: whoever waits inside a statement holds a snapshot,
 * for which `create index concurrently` of the run before would wait for ever.
 * Throws a Failure with exit code 4 when somebody else keeps it, or when no session can hold it.
 */
export async function takeLock(
  settings: DatabaseSettings,
  { timeoutMs, signal, progress }: LockOptions,
): Promise<Lock> {
  const db = connect(settings, {
    session: true,
    // A server that is busy with the migration may be slow to say that the lock is held.
    deadlineMs: 60_000,
    applicationName: "migrate lock",
  });
  try {
    let pid = await provenSession(db, settings);
    const until = Date.now() + timeoutMs;
    for (let took; !(took = await tryLock(db, pid));) {
      // Its connection broke while it waited, or there is a pooler after all.
      if (took === undefined) pid = await provenSession(db, settings);
      if (signal.aborted) throw new Failure("interrupted while waiting for another run");
      if (Date.now() > until) throw await tooLate(db, timeoutMs);
      progress("waiting for another run to finish");
      await pause(100 + Math.random() * 200, signal);
    }
    return guard(db, pid);
  } catch (error) {
    await db.close();
    throw error;
  }
}

const pooled = () =>
  new Failure(
    "the database is behind a pooler in transaction mode, where a lock belongs to nobody: set MIGRATION_DATABASE_URL to the server's own address (on Neon: the host's name without -pooler); nothing was changed",
    exit.locked,
  );

/** The process that serves the session, after a proof that it is ours alone. */
async function provenSession(db: Database, settings: DatabaseSettings): Promise<number> {
  const other = connect(settings, {
    session: true,
    deadlineMs: 60_000,
    applicationName: "migrate lock",
  });
  try {
    if (!await keepApart(() => backend(db), () => backend(other))) throw pooled();
    return await backend(db);
  } finally {
    await other.close();
  }
}

/** Throws a Failure where no session could hold the lock, before anything else is done. */
export async function requireSession(settings: DatabaseSettings) {
  const db = connect(settings, {
    session: true,
    deadlineMs: 60_000,
    applicationName: "migrate lock",
  });
  try {
    await provenSession(db, settings);
  } finally {
    await db.close();
  }
}

async function backend(db: Database): Promise<number> {
  const [row] = await db.query<{ pid: number }>(sql`select pg_backend_pid() as pid`);
  return row!.pid;
}

/**
 * Whether we have it now, and no dbmate of a run that was killed is still at work; undefined where
 * another process serves the session than before.
 */
async function tryLock(db: Database, pid: number): Promise<boolean | undefined> {
  const [row] = await db.query<{ pid: number; locked: boolean }>(sql`
    select pg_backend_pid() as pid, pg_try_advisory_lock(${key.high}, ${key.low}) as locked
  `);
  if (row!.pid !== pid) return undefined;
  if (!row!.locked) return false;
  const [engine] = await db.query<{ pid: number }>(sql`
    select pid from pg_stat_activity
    where starts_with(application_name, ${engineName}) and datname = current_database() limit 1
  `);
  if (!engine) return true;
  await db.query(sql`select pg_advisory_unlock(${key.high}, ${key.low})`);
  return false;
}

/** Who holds the lock, or whose dbmate is still at work. */
async function tooLate(db: Database, timeoutMs: number): Promise<Failure> {
  const [holder] = await db.query<{ pid: number; client: string; since: string }>(sql`
    select a.pid, coalesce(host(a.client_addr), 'this machine') as client,
      to_char(a.backend_start, 'HH24:MI:SS') as since
    from pg_stat_activity a
    where a.datname = current_database() and (
      starts_with(a.application_name, ${engineName})
      or exists (
        select from pg_locks l
        where l.pid = a.pid and l.locktype = 'advisory' and l.granted
          and l.classid = ${key.high} and l.objid = ${key.low}
      )
    )
    limit 1
  `);
  const who = holder
    ? ` (server process ${holder.pid}, from ${holder.client}, since ${holder.since})`
    : "";
  return new Failure(
    `another run still holds the migration lock after ${
      Math.round(timeoutMs / 1000)
    } s${who}: wait for it, give --timeout more seconds, or end it with pg_terminate_backend(); nothing was changed`,
    exit.locked,
  );
}

/** Whether somebody holds the lock now. */
export async function isLocked(db: Database): Promise<boolean> {
  const rows = await db.query(sql`
    select from pg_locks l join pg_database d on d.oid = l.database
    where l.locktype = 'advisory' and l.granted and d.datname = current_database()
      and l.classid = ${key.high} and l.objid = ${key.low}
  `);
  return rows.length > 0;
}

/** Looks every two seconds whether the lock is still held, which also keeps the session alive. */
function guard(db: Database, pid: number): Lock {
  const controller = new AbortController();
  const stop = new AbortController();
  const watching = watch();
  async function watch() {
    while (!stop.signal.aborted) {
      await pause(heartbeat, stop.signal);
      try {
        if (!await holds(db, pid)) controller.abort();
      } catch {
        controller.abort();
      }
    }
  }
  return {
    lost: controller.signal,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await watching;
      // The end of the session is the end of its lock.
      await db.close();
    },
  };
}

async function holds(db: Database, pid: number): Promise<boolean> {
  const rows = await db.query(sql`
    select from pg_locks
    where pid = pg_backend_pid() and pid = ${pid} and locktype = 'advisory' and granted
      and classid = ${key.high} and objid = ${key.low}
  `);
  return rows.length > 0;
}

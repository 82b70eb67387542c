import { startEmbedded } from "../../embedded/mod.ts";
import { connect, type ConnectOptions, type Database, sql } from "../../postgres/mod.ts";
import {
  type DatabaseSettings,
  databaseUrl,
  readDatabaseSettings,
} from "../../postgres/settings.ts";
import { settingsCopied } from "./citus.ts";

/** The database that tests/run.ts, or `db check`, has migrated once and that each test copies. */
export const template = Deno.env.get("TEST_TEMPLATE") ?? "slate_template";

/** The server that the tests use; tests/run.ts names it. */
export function testServer(): DatabaseSettings {
  return settingsOf(Deno.env.get("TEST_SERVER"));
}

/** The workers of the Citus cluster whose coordinator that server is; as a rule it is none. */
export function testWorkers(): DatabaseSettings[] {
  return (Deno.env.get("TEST_WORKERS") || undefined)?.split(" ").map(settingsOf) ?? [];
}

function settingsOf(url: string | undefined): DatabaseSettings {
  const { settings, faults } = readDatabaseSettings({ DATABASE_URL: url });
  if (!settings) throw new Error(`run the tests by \`deno task test\` (${faults.join("; ")})`);
  return settings;
}

/** As connect(), and with time enough on any machine: what a test asks for has to come. */
export function connectPatiently(settings: DatabaseSettings, options: ConnectOptions = {}) {
  return connect(settings, { deadlineMs: 300_000, ...options });
}

export interface TestDatabase extends AsyncDisposable {
  /** As the role that owns everything. */
  settings: DatabaseSettings;
  db: Database;
}

/**
 * The same database as the application's role, which may do there what db/grants.sql says: the
 * template has it. By way of the pooler on TEST_APP_PORT, where that is set.
 */
export function asApplication({ settings }: TestDatabase): DatabaseSettings {
  const password = Deno.env.get("TEST_APP_PASSWORD");
  // `db check` runs the test of the statements on a server without the roles.
  if (!password) return settings;
  const port = Number(Deno.env.get("TEST_APP_PORT") ?? settings.port);
  return { ...settings, port, user: "slate_app", password };
}

/**
 * The same, whose statements and locks may take as long as they take: the bounds of db/roles.sql are
 * for a server in trouble, not for a machine that is slow.
 */
export async function asPatientApplication(database: TestDatabase): Promise<DatabaseSettings> {
  const settings = asApplication(database);
  const { database: name, user } = settings;
  const bounds = ["statement_timeout", "lock_timeout"];
  if (user === "slate_app") {
    const lift = (bound: string) => `alter role slate_app in database ${name} set ${bound} = 0`;
    await administer(testServer(), bounds.map(lift).join("; "));
  }
  return settings;
}

/**
 * A database of the test's own, dropped when it goes out of scope: `await using`. A copy of the
 * migrated template, or with `empty` one without a table.
 */
export async function createDatabase({ empty = false } = {}): Promise<TestDatabase> {
  const server = testServer();
  const workers = testWorkers();
  const name = `slate_test_${crypto.randomUUID().replaceAll("-", "")}`;
  // Nothing is synced on a test's server, so the checkpoint is cheaper than the copy through the log.
  const source = empty ? "template0" : template;
  for (const node of [server, ...workers]) {
    await administer(node, `create database ${name} template ${source} strategy file_copy`);
  }
  if (workers.length > 0) await administer(server, settingsCopied(template, name));
  const settings = { ...server, database: name };
  const db = connectPatiently(settings, { size: 4 });
  return {
    settings,
    db,
    async [Symbol.asyncDispose]() {
      await db.close();
      for (const node of [server, ...workers]) {
        await administer(node, `drop database if exists ${name} with (force)`);
      }
    },
  };
}

/** A server of the test's own that asks for a password: the one of the tests may trust everybody. */
export async function startAsking(): Promise<AsyncDisposable & { settings: DatabaseSettings }> {
  const { settings, stop } = await startEmbedded({ small: true });
  return { settings, [Symbol.asyncDispose]: stop };
}

/** Connections to each server that nobody uses now. */
const idle = new Map<string, Database[]>();

/**
 * Runs DDL of the server itself, such as `create database`. Its connection is kept for what comes
 * next, since to begin a session costs the server as much as to make a database. So a program that
 * is no test ends by Deno.exit().
 */
export async function administer(server: DatabaseSettings, text: string) {
  const free = idle.getOrInsertComputed(databaseUrl(server), () => []);
  const db = free.pop() ?? connectPatiently(server, { session: true });
  // A template can be copied only while nobody is connected to it: wait for who copies now.
  for (let attempt = 1;; attempt++) {
    try {
      await db.script(text);
      free.push(db);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== "55006" || attempt === 50) {
        await db.close();
        throw error;
      }
      await db.query(sql`select pg_sleep(0.05)`);
    }
  }
}

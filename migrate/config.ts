import type { Database } from "../postgres/mod.ts";
import type { DatabaseSettings } from "../postgres/settings.ts";
import type { Finding } from "./finding.ts";

/**
 * What a project says about itself: the default export of `migrate.config.ts` at its root, all of
 * it optional. Without the file, dbmate's own settings are everything that is needed.
 */
export interface Config {
  /** How messages name the command, such as `${project.command}`; by default as it was called. */
  command?: string;
  /** The database that is meant where the environment names none. */
  development?: DevelopmentDatabase;
  /**
   * Roles whose rights belong to the server and not to the schema: grants to them are not compared,
   * and are no part of schema.sql.
   */
  serverRoles?: string[];
  /** Runs when everything that was pending is applied. Its grants, for instance. */
  afterUp?(work: Hook): Promise<void>;
  /** Runs after each command that changes the schema, while the lock is still held. */
  afterChange?(work: Hook): Promise<void>;
  /** Puts in the demo data, for `seed` and `reset`: idempotent. */
  seed?(db: Database): Promise<void>;
  /**
   * Whether the application's queries still fit, as a part of `check`. `template` is a database
   * with the whole schema and without a connection, to be copied; `server` is another one on the
   * same server. Asked only about the project's own migrations.
   */
  checkQueries?(server: DatabaseSettings, template: DatabaseSettings): Promise<Finding[]>;
}

/** A database on an embedded server, which is started when nobody runs it. */
export interface DevelopmentDatabase {
  /** The folder of the server's data. */
  dataDir: string;
  /** The database's name, unless .env names another one on that server. */
  name: string;
}

/** What a hook has in hand. */
export interface Hook {
  db: Database;
  /** A message: one line on standard error. */
  say(text: string): void;
  /** Who runs the embedded server that the database is on, where that is another process. */
  serverOwner?: string;
}

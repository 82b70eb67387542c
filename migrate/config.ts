import type { Database } from "../postgres/mod.ts";
import type { DatabaseSettings } from "../postgres/settings.ts";
import type { Level, Profile } from "./rules.ts";

/**
 * What a project says about itself, all of it optional: `migrate.config.json` at its root holds
 * what is plain data, the default export of `migrate.config.ts` that and the functions. Without
 * either, dbmate's own settings are everything that is needed.
 */
export interface Config extends PlainConfig {
  /** The database that is meant where the environment names none. */
  development?: DevelopmentDatabase;
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
  checkQueries?(server: DatabaseSettings, template: DatabaseSettings): Promise<Misfit[]>;
}

/** What can be said without code. */
export interface PlainConfig {
  /** How messages name the command, such as `make db`; by default as it was called. */
  command?: string;
  /** The newest version whose history is accepted as it is: built, never judged. */
  baseline?: string;
  /** Which rules are on: `usual`, or `strict` with the conventions of headers as well. */
  profile?: Profile;
  /** What single rules weigh here, by the name that stands in brackets behind a finding. */
  rules?: Record<string, Level>;
  /** Names in the migrations' folders that dbmate is meant to pass over. */
  ignore?: string[];
  /**
   * Roles whose rights belong to the server and not to the schema: grants to them are not compared,
   * and are no part of schema.sql.
   */
  serverRoles?: string[];
  /**
   * A .sql file that makes of an empty database what the migrations expect and do not make: what a
   * script sets up before dbmate runs. Only scratch databases get it.
   */
  prepare?: string;
}

/** A query that does not fit the schema. */
export interface Misfit {
  path: string;
  line: number;
  message: string;
  remedy: string;
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

import { join, resolve } from "node:path";
import { writeProjectFile } from "../../embedded/account.ts";
import { type Database, DatabaseError, sql } from "../../postgres/mod.ts";
import { type DatabaseSettings, databaseUrl } from "../../postgres/settings.ts";
import { confirmOption, requireConfirmation } from "../apply/change.ts";
import { type Command, type Context, exit, Failure, nearest, table, text } from "../command.ts";
import { maintenance, quoteName } from "../databases.ts";
import { environment, project } from "../project.ts";
import { shownPath } from "../files/migrations.ts";
import { setVariables } from "../files/env_file.ts";
import { openTarget, type Target } from "../target.ts";

/** What the comment on a database says that this command made. */
const marker = "branch of ";

export const command: Command = {
  name: "branch",
  usage: "[name] [--delete] [options]",
  description:
    "Copies the development database for a git branch and names the copy in .env, so that work on\n" +
    "the branch leaves the original alone. --delete drops the copy and names the original\n" +
    "again. Without a name it lists the copies. Nobody else may be connected while it copies.",
  example: "branch add_email\nbranch --delete add_email",
  arguments: [0, 1],
  options: {
    ...confirmOption,
    "delete": { type: "boolean", summary: "drop the copy, by default the one in use" },
    "json": { type: "boolean", summary: "the list of the copies as JSON" },
    "env-file": { type: "string", value: "path", summary: "the file to write instead of .env" },
  },
  async run(context) {
    const [name] = context.positionals;
    await using target = await openTarget();
    const { settings } = target;
    if (context.options.delete) return await remove(context, target, name);
    if (name === undefined) return await list(context, settings);
    requireConfirmation(context, settings);
    const database = await maintenance(settings, (db) => create(db, settings, name));
    context.print(`created ${database}, a copy of ${settings.database}`);
    await switchTo(context, target, database);
    return exit.done;
  },
};

async function create(db: Database, settings: DatabaseSettings, name: string): Promise<string> {
  const source = await originOf(db, settings.database) ?? settings.database;
  const database = databaseName(source, name);
  try {
    await db.script(
      `create database ${quoteName(database)} template ${quoteName(settings.database)}`,
    );
  } catch (error) {
    switch (error instanceof DatabaseError && error.code) {
      case "42P04":
        throw new Failure(
          `${database} exists: \`${project.command} branch --delete ${name}\` drops it`,
        );
      case "55006":
        throw new Failure(
          `${settings.database} is in use, and a database can be copied only while nobody is connected: stop the application and other clients of it, then try again`,
        );
      case "3D000":
        throw new Failure(`there is no database ${settings.database}`, exit.unreachable);
    }
    throw error;
  }
  await db.script(
    `comment on database ${quoteName(database)} is '${(marker + source).replaceAll("'", "''")}'`,
  );
  return database;
}

/** A git branch's name as a part of a database's: PostgreSQL cuts names at 63 bytes. */
function databaseName(source: string, name: string): string {
  const slug = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_").replaceAll(/^_|_$/g, "");
  const database = `${source}_${slug}`;
  if (slug === "" || new TextEncoder().encode(database).length > 63) {
    throw new Failure(
      `"${name}" does not make a database's name of at most 63 bytes: use letters and digits`,
      exit.usage,
    );
  }
  return database;
}

/** The database that another one was copied from by this command. */
async function originOf(db: Database, database: string): Promise<string | undefined> {
  const branch = (await branches(db)).find((row) => row.database === database);
  return branch?.origin;
}

async function branches(db: Database): Promise<{ database: string; origin: string }[]> {
  return await db.query(sql`
    select datname as database,
      substr(shobj_description(oid, 'pg_database'), ${marker.length + 1}) as origin
    from pg_database
    where starts_with(shobj_description(oid, 'pg_database'), ${marker})
    order by 1
  `);
}

async function list(context: Context, settings: DatabaseSettings): Promise<number> {
  const { print, say, options } = context;
  const rows = await maintenance(settings, branches);
  if (options.json) {
    print(JSON.stringify(rows, null, 2));
    return exit.done;
  }
  for (
    const line of table(rows.map(({ database, origin }) => [
      database === settings.database ? "*" : " ",
      database,
      `${marker}${origin}`,
    ]))
  ) print(line);
  if (rows.length === 0) say(`no branches; ${settings.database} is in use`);
  return exit.done;
}

async function remove(context: Context, target: Target, name?: string): Promise<number> {
  const { settings } = target;
  requireConfirmation(context, settings);
  const { database, origin } = await maintenance(settings, async (db) => {
    const all = await branches(db);
    const found = all.find(({ database, origin }) =>
      name === undefined
        ? database === settings.database
        : database === name || database === databaseName(origin, name)
    );
    if (!found) {
      const guess = name && nearest(name, all.map(({ database }) => database));
      throw new Failure(
        `${name ?? settings.database} is not a branch${
          guess ? `: did you mean ${guess}?` : ""
        }; \`${project.command} branch\` lists them, and nothing was dropped`,
        exit.usage,
      );
    }
    await db.script(`drop database ${quoteName(found.database)} with (force)`);
    return found;
  });
  context.print(`dropped ${database}`);
  if (database === settings.database) await switchTo(context, target, origin);
  return exit.done;
}

/** Names the database in the .env file, in the way in which it was named before. */
async function switchTo(context: Context, { settings, embedded }: Target, database: string) {
  const env = environment();
  const path = resolve(project.root, text(context, "env-file") ?? ".env");
  const variables: Record<string, string> = {};
  if (embedded) {
    variables.DATABASE_URL = databaseUrl({ ...settings, password: "", database });
    variables.PGPASSFILE = (env.DATABASE_URL && env.PGPASSFILE) ||
      join(shownPath(project.config.development!.dataDir), "pgpass");
    // dbmate by hand reads the file as well, and would write over schema.sql.
    variables.DBMATE_NO_DUMP_SCHEMA = "true";
  } else if (env.DATABASE_URL) {
    const url = new URL(env.DATABASE_URL);
    url.pathname = `/${encodeURIComponent(database)}`;
    variables.DATABASE_URL = url.href;
  } else {
    variables.PGDATABASE = database;
  }
  const before = await Deno.readTextFile(path).catch(() => "");
  // A URL may hold a password.
  await writeProjectFile(path, setVariables(before, variables), 0o600);
  context.say(`${shownPath(path)} names ${database} now`);
  for (const name of Object.keys(variables)) {
    if (Deno.env.get(name) === undefined || Deno.env.get(name) === variables[name]) continue;
    context.say(`${name} in the environment wins over the file: unset it, or set it likewise`);
  }
}

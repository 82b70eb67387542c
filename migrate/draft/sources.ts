import { connect, type Database, DatabaseError } from "../../postgres/mod.ts";
import {
  type DatabaseSettings,
  describeDatabase,
  readDatabaseSettings,
} from "../../postgres/settings.ts";
import { explained, unknownOption } from "../advice.ts";
import { describeDifferences, readCatalog } from "../catalog/catalog.ts";
import { compareNormalized } from "../catalog/normalize.ts";
import { exit, Failure } from "../command.ts";
import { project } from "../project.ts";
import { type State, withSession } from "./draft.ts";
import { schemaFile } from "../schema/generated.ts";
import { partAtBaseline } from "../files/baseline.ts";
import { GrammarError, parseBlock } from "../files/grammar.ts";
import { waiting } from "../files/form.ts";
import { decode, type Migration, shownPath } from "../files/migrations.ts";
import { isNewRole } from "../files/surroundings.ts";
import { build } from "../proof/replay.ts";
import { loadSchema, refusedLine, withoutPsql } from "../schema/load.ts";
import { schemaText } from "../schema/text.ts";
import { readValidMigrations } from "../files/valid.ts";
import type { Scratch } from "../scratch.ts";
import { openTarget } from "../target.ts";

/** The schema of a source, in a scratch database. */
export interface SchemaCopy extends State {
  name: string;
  /** Options of its tables, columns and indexes that the scratch server does not know. */
  ignored: string[];
}

/** What `diff` compares, read before there is a server for it: it may need roles there. */
export interface Source extends AsyncDisposable {
  name: string;
  migrations: Migration[];
  scripts: string[];
  /** Builds it in an empty database; adds the options that it leaves out. */
  fill(db: Database, ignored: string[]): Promise<void>;
}

/**
 * Reads `migrations`, `schema` (schema.sql), `database` (the one that DATABASE_URL names), a .sql
 * file or a URL. A live database is only read. Throws a Failure that names the file and the line.
 */
export async function readSource(source: string): Promise<Source> {
  if (source === "migrations") {
    const migrations = await readValidMigrations();
    return {
      name: "the migrations",
      migrations,
      scripts: [],
      fill: (db) => build(db, partAtBaseline(migrations)),
      async [Symbol.asyncDispose]() {},
    };
  }
  if (/^postgres(ql)?:/.test(source) || source === "database") return await readDatabase(source);
  if (source !== "schema") return await readFile(source);
  return await readFile(
    schemaFile(),
    `\`${project.command} schema\` writes it, or --to names a side`,
  );
}

/**
 * Two sources as scratch databases. Roles that migrations make are made before the other side names
 * them. Throws a Failure that names the file and the line, or what of a database could not be copied.
 */
export async function openSources(
  scratch: Scratch,
  from: Source,
  to: Source,
): Promise<[SchemaCopy, SchemaCopy]> {
  if (from.migrations.length === 0 && to.migrations.length > 0) {
    const [b, a] = [await openSource(scratch, to), await openSource(scratch, from)];
    return [a, b];
  }
  return [await openSource(scratch, from), await openSource(scratch, to)];
}

async function openSource(scratch: Scratch, { name, fill }: Source): Promise<SchemaCopy> {
  const settings = await scratch.create();
  return await withSession(settings, async (db) => {
    const ignored: string[] = [];
    await fill(db, ignored);
    return { settings, catalog: await readCatalog(db), name, ignored };
  });
}

/** The bytes of a file that an option names. Throws a Failure that says `missing`. */
export async function readNamed(path: string, missing: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Failure(missing, exit.usage);
    throw error;
  }
}

async function readFile(
  path: string,
  remedy = "name a .sql file, a URL, `migrations` or `database`",
): Promise<Source> {
  const bytes = await readNamed(path, `${shownPath(path)} is not there: ${remedy}`);
  const refuse = (line: number, message: string, remedy: string) => {
    const place = line > 0 ? `${shownPath(path)}:${line}` : shownPath(path);
    throw new Failure(`${place}: ${message}; ${remedy}, nothing was drafted`);
  };
  const text = decode(bytes, refuse)!;
  if (text.startsWith("\ufeff")) {
    refuse(1, "begins with a byte-order mark", "save it as plain UTF-8");
  }
  const script = withoutPsql(text);
  let schema = script;
  try {
    for (const statement of await parseBlock({ text: script, line: 1 })) {
      const fault = waiting(statement);
      if (fault) refuse(statement.line, fault.message, fault.remedy);
      // The scratch server has it already. Its lines stay, so that those behind keep their numbers.
      if (isNewRole(statement.kind)) {
        schema = schema.replace(statement.text, statement.text.replaceAll(/[^\n]/g, " "));
      }
    }
  } catch (error) {
    if (error instanceof GrammarError) refuse(error.line, error.message, "correct it");
    throw error;
  }
  return {
    name: shownPath(path),
    migrations: [],
    scripts: [script],
    async fill(db) {
      try {
        await loadSchema(db, schema);
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        refuse(await refusedLine(db, schema, error), explained(error), "correct it");
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function readDatabase(source: string): Promise<Source> {
  const target = source === "database"
    ? await openTarget()
    : { settings: settingsOf(source), async [Symbol.asyncDispose]() {} };
  const options = { size: 1, deadlineMs: 120_000, applicationName: "migrate diff" };
  const live = connect(target.settings, options);
  const close = async () => {
    await live.close();
    await target[Symbol.asyncDispose]();
  };
  const name = describeDatabase(target.settings);
  try {
    const text = await schemaText(live);
    return {
      name,
      migrations: [],
      scripts: [text],
      fill: (db, ignored) => copySchema({ name, live, text }, db, ignored),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Live {
  name: string;
  live: Database;
  /** Its schema. */
  text: string;
}

async function copySchema({ name, live, text }: Live, copy: Database, ignored: string[]) {
  await loadKnown(live, text, copy, ignored);
  const [expected, found] = [await readCatalog(live, { ignored }), await readCatalog(copy)];
  const lost = await compareNormalized(copy, expected, found);
  if (lost.length === 0) return;
  throw new Failure(
    `${name} has what a copy of its schema cannot have:\n${
      describeDifferences(lost, { expected: "the database", found: "the copy" })
    }`,
  );
}

/** Loads the schema without the options that the copy's server refuses: it names one at a time. */
async function loadKnown(live: Database, schema: string, copy: Database, ignored: string[]) {
  for (let text = schema;; text = await schemaText(live, ignored)) {
    try {
      return await loadSchema(copy, text);
    } catch (error) {
      const option = error instanceof DatabaseError ? unknownOption(error.message) : undefined;
      if (!option || ignored.includes(option)) throw error;
      ignored.push(option);
    }
  }
}

function settingsOf(url: string): DatabaseSettings {
  const { settings, faults } = readDatabaseSettings({ DATABASE_URL: url });
  if (settings) return settings;
  throw new Failure(faults.join("\n").replaceAll("DATABASE_URL", "the URL"), exit.usage);
}

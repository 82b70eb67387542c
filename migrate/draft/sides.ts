import { connect, type Database, DatabaseError } from "../../postgres/mod.ts";
import {
  type DatabaseSettings,
  describeDatabase,
  readDatabaseSettings,
} from "../../postgres/settings.ts";
import { explained, unknownOption } from "../advice.ts";
import { describeDifferences, readCatalog } from "../catalog/catalog.ts";
import { compareSettled } from "../catalog/settle.ts";
import { exit, Failure } from "../command.ts";
import type { State } from "./draft.ts";
import { schemaFile } from "../schema/generated.ts";
import { GrammarError, lineAt, parseBlock } from "../files/grammar.ts";
import { waiting } from "../files/form.ts";
import { decode, shownPath } from "../files/migrations.ts";
import { build } from "../proof/replay.ts";
import { loadSchema, withoutPsql } from "../schema/load.ts";
import { schemaText } from "../schema/text.ts";
import { readSoundMigrations } from "../files/sound.ts";
import { rolesIn } from "../files/surroundings.ts";
import type { Scratch } from "../scratch.ts";
import { openTarget } from "../target.ts";

/** One side of a difference: its schema in a scratch database, and what to call it. */
export interface Side extends State {
  name: string;
  /** Options of its tables, columns and indexes that the scratch server does not know. */
  ignored: string[];
}

/**
 * `migrations`, `schema` (schema.sql), `database` (the one that DATABASE_URL names), a .sql file or
 * a URL, as a scratch database. A live database is only read. Throws a Failure that names the file
 * and the line, or what of a database could not be copied.
 */
export async function openSide(scratch: Scratch, source: string): Promise<Side> {
  const settings = await scratch.create();
  const db = connect(settings, { session: true, deadline: 120_000 });
  try {
    const ignored: string[] = [];
    const name = await fill(source, { db, scratch, ignored });
    return { settings, catalog: await readCatalog(db), name, ignored };
  } finally {
    await db.close();
  }
}

/** Where a source is built. */
interface Copy {
  db: Database;
  scratch: Scratch;
  /** Gets the options that are left out. */
  ignored: string[];
}

/** Builds what a source names. Returns what to call it. */
async function fill(source: string, copy: Copy): Promise<string> {
  if (source === "migrations") {
    await build(copy.db, await readSoundMigrations());
    return "the migrations";
  }
  if (/^postgres(ql)?:/.test(source) || source === "database") {
    return await copySchema(source, copy);
  }
  const path = source === "schema" ? schemaFile() : source;
  await loadFile(path, copy);
  return shownPath(path);
}

async function loadFile(path: string, { db, scratch }: Copy) {
  let bytes;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Failure(
      `${shownPath(path)} is not there: name a .sql file, a URL, \`migrations\` or \`database\``,
      exit.usage,
    );
  }
  const refuse = (line: number, message: string, remedy: string) => {
    const place = line > 0 ? `${shownPath(path)}:${line}` : shownPath(path);
    throw new Failure(`${place}: ${message}; ${remedy}, nothing was drafted`);
  };
  const text = decode(bytes, refuse)!;
  if (text.startsWith("\ufeff")) {
    refuse(1, "begins with a byte-order mark", "save it as plain UTF-8");
  }
  const script = withoutPsql(text);
  try {
    for (const statement of await parseBlock({ text: script, line: 1 })) {
      const fault = waiting(statement);
      if (fault) refuse(statement.line, fault.message, fault.remedy);
    }
    await expectRoles(scratch, script);
    await loadSchema(db, script);
  } catch (error) {
    if (error instanceof GrammarError) refuse(error.line, error.message, "correct it");
    if (!(error instanceof DatabaseError)) throw error;
    const position = Number(error.fields.position ?? 0);
    const line = lineAt(text, position);
    refuse(line, explained(error), "correct it");
  }
}

async function copySchema(source: string, copy: Copy): Promise<string> {
  await using target = source === "database"
    ? await openTarget()
    : { settings: settingsOf(source), async [Symbol.asyncDispose]() {} };
  const live = connect(target.settings, { size: 1, applicationName: "migrate diff" });
  const name = describeDatabase(target.settings);
  try {
    await loadKnown(live, copy);
    const [expected, found] = [
      await readCatalog(live, { ignored: copy.ignored }),
      await readCatalog(copy.db),
    ];
    const lost = await compareSettled(copy.db, expected, found);
    if (lost.length === 0) return name;
    throw new Failure(
      `${name} has what a copy of its schema cannot have:\n${
        describeDifferences(lost, { expected: "the database", found: "the copy" })
      }`,
    );
  } finally {
    await live.close();
  }
}

/** Loads the schema without the options that the copy's server refuses: it names one at a time. */
async function loadKnown(live: Database, { db, scratch, ignored }: Copy) {
  for (;;) {
    try {
      const text = await schemaText(live, ignored);
      await expectRoles(scratch, text);
      return await db.script(text);
    } catch (error) {
      const option = error instanceof DatabaseError ? unknownOption(error.message) : undefined;
      if (!option || ignored.includes(option)) throw error;
      ignored.push(option);
    }
  }
}

/** What a schema names of roles is there, so that its grants and policies can be loaded. */
async function expectRoles(scratch: Scratch, text: string) {
  await scratch.expect((await rolesIn([{ text, line: 1 }])).named);
}

function settingsOf(url: string): DatabaseSettings {
  const { settings, faults } = readDatabaseSettings({ DATABASE_URL: url });
  if (settings) return settings;
  throw new Failure(faults.join("\n").replaceAll("DATABASE_URL", "the URL"), exit.usage);
}

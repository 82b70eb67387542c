/**
 * `deno task resource courses`: writes the query file, the route file and the test of a table as
 * db/schema.sql has it, mounts it, and grants it to the application. What it writes is the
 * project's own from then on: read it, and change it by hand.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeProjectFile } from "../embedded/account.ts";
import { EmbeddedError, startEmbedded } from "../embedded/mod.ts";
import { connect, type Database, DatabaseError, Unreachable } from "../postgres/mod.ts";
import { type DatabaseSettings, readDatabaseSettings } from "../postgres/settings.ts";
import { environment } from "./environment.ts";
import { fieldOf } from "./resource/fields.ts";
import { namesOf } from "./resource/names.ts";
import { meaningOf } from "./resource/problems.ts";
import { type Edit, projectEdits } from "./resource/project_files.ts";
import { queryFile } from "./resource/query_file.ts";
import { routeFile } from "./resource/route_file.ts";
import { readTable, ResourceError } from "./resource/table.ts";
import { testFile } from "./resource/test_file.ts";
import { root } from "./root.ts";

const usage = `usage: deno task resource <table> [--noun <one>]

  --noun  what one row is called, where the table's name is no plural with s

example: deno task resource courses`;

/** Runs work on an empty database, which is gone afterwards. */
async function onScratch<Result>(work: (db: Database) => Promise<Result>): Promise<Result> {
  const { SCRATCH_DATABASE_URL } = environment();
  const own = SCRATCH_DATABASE_URL ? undefined : await startEmbedded({ small: true });
  try {
    const server = own?.settings ?? given(SCRATCH_DATABASE_URL!);
    const admin = connect(server, { size: 1, deadlineMs: 60_000 });
    const database = `slate_resource_${crypto.randomUUID().replaceAll("-", "")}`;
    try {
      await admin.script(`create database ${database} template template0`);
      const db = connect({ ...server, database }, { size: 1, deadlineMs: 60_000 });
      try {
        return await work(db);
      } finally {
        await db.close();
        await admin.script(`drop database ${database} with (force)`);
      }
    } finally {
      await admin.close();
    }
  } finally {
    await own?.stop();
  }
}

function given(url: string): DatabaseSettings {
  const { settings, faults } = readDatabaseSettings({ DATABASE_URL: url });
  if (settings) return settings;
  throw new ResourceError(faults.join("\n").replaceAll("DATABASE_URL", "SCRATCH_DATABASE_URL"));
}

/**
 * The files of a resource, none of which may be there yet, and those that get lines more; and the
 * columns that it leaves out.
 */
async function compose(name: string, noun: string | undefined) {
  const names = namesOf(name, noun);
  const table = await onScratch(async (db) => {
    await build(db);
    return await readTable(db, name);
  });
  const fields = table.columns.map(fieldOf);
  const meanings = table.constraints.map((constraint) => meaningOf(constraint, names));
  const made: Edit[] = [
    { path: `db/${name}.ts`, text: queryFile(table, names, fields) },
    { path: `routes/${name}.ts`, text: routeFile(table, names, fields, meanings) },
    { path: `tests/api/${name}_test.ts`, text: testFile(table, names, fields, meanings) },
  ];
  for (const { path } of made) {
    if (await Deno.stat(join(root, path)).catch(() => undefined)) {
      throw new ResourceError(`${path} is there already: nothing was written`);
    }
  }
  const edits = [...made, ...await projectEdits(root, names, meanings)];
  return { edits, left: table.generated };
}

async function build(db: Database) {
  try {
    await db.script(await Deno.readTextFile(join(root, "db", "schema.sql")));
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    throw new ResourceError(
      `db/schema.sql: ${error.message}; \`deno task db diff\` names the line`,
    );
  }
}

async function run(...args: string[]) {
  const command = new Deno.Command(Deno.execPath(), { args, cwd: root, stdin: "null" });
  const { success, stderr } = await command.output();
  if (!success) throw new ResourceError(new TextDecoder().decode(stderr).trim());
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { noun: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  const [table] = positionals;
  if (values.help || !table || positionals.length > 1) {
    console.error(usage);
    return values.help ? 0 : 2;
  }
  const { edits, left } = await compose(table, values.noun);
  for (const { path, text } of edits) await writeProjectFile(join(root, path), text);
  const code = edits.map(({ path }) => path).filter((path) => path.endsWith(".ts"));
  await run("fmt", "--quiet", ...code);
  for (const generated of ["openapi", "client", "statements"]) await run("task", generated);
  for (const { path } of edits) console.log(path);
  for (const column of left) console.error(`${column} is left out: PostgreSQL computes it`);
  console.error("read what was written, improve its words, and run `deno task test`");
  return 0;
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  const expected = error instanceof ResourceError || error instanceof EmbeddedError ||
    error instanceof Unreachable || error instanceof DatabaseError ||
    (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS");
  if (!expected) throw error;
  console.error((error as Error).message);
  Deno.exit(1);
}

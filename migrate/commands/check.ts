import { join } from "node:path";
import { connect } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { type Command, exit } from "../command.ts";
import { project } from "../project.ts";
import { checkForm } from "../files/form.ts";
import { generate, readIfThere } from "../schema/generated.ts";
import { type Finding, formatFinding } from "../finding.ts";
import { type Migration, migrationsDir, readFolder, shownPath } from "../files/migrations.ts";
import { replay, ReplayFailure } from "../proof/replay.ts";
import { roundTrip } from "../proof/round_trip.ts";
import { readShapes, type TableShape, withGone } from "../proof/rows_query.ts";
import { unaccepted } from "../proof/safety.ts";
import { lint } from "../proof/squawk.ts";
import { openScratch, type Scratch } from "../target.ts";
import { withRows } from "../proof/with_rows.ts";

export const command: Command = {
  name: "check",
  usage: "",
  description: `\
Proves the migrations without the target database, on a scratch server that it starts and removes:
their form; up, down and up again with equal catalogs; the same with rows in every table; that they
build schema.sql; what they lock, rewrite and lose; and, where the
project has a check for them, that its queries still fit. A risk that is meant is accepted by \`-- safety: allow <rule>: <reason>\` above its statement.`,
  example: "check",
  arguments: [0, 0],
  options: {},
  async run({ say, progress }) {
    const started = performance.now();
    const { migrations, findings } = await readFolder();
    for (const migration of migrations) findings.push(...await checkForm(migration));
    // What cannot be read as its author means it is not worth running.
    if (findings.length === 0) findings.push(...await prove(migrations, say, progress));
    for (const finding of sorted(findings)) say(formatFinding(finding));
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (findings.length === 0) {
      say(`${migrations.length} migrations are sound (${seconds} s)`);
      return exit.done;
    }
    say(`${findings.length} findings in ${migrations.length} migrations (${seconds} s)`);
    return exit.found;
  },
};

async function prove(
  migrations: Migration[],
  say: (text: string) => void,
  progress: (text: string) => void,
): Promise<Finding[]> {
  progress("starting a scratch server");
  await using scratch = await openScratch();
  const open = async () => connect(await scratch.create(), { session: true, deadline: 120_000 });
  const [empty, full] = [await open(), await open()];
  try {
    let done = 0;
    const told = ({ file }: Migration) => progress(`${++done} of ${migrations.length}: ${file}`);
    const { checkQueries } = project.config;
    const whole = await scratch.create();
    const future = buildWhole(whole, migrations);
    const [trip, rows, squawk, stale, queries] = await Promise.all([
      roundTrip(empty, migrations, told, open),
      future.then((shapes) => withRows(full, migrations, shapes ?? [])),
      lint(migrations),
      staleFiles(scratch, migrations),
      future.then(async (shapes) =>
        shapes && checkQueries && isOwn() ? await checkQueries(await scratch.create(), whole) : []
      ),
    ]);
    for (const { table, reason } of rows.unfilled) {
      say(`note: no row could be made for ${table} (${reason}): proven with that table empty only`);
    }
    // What fails on empty tables too needs no second mention.
    const known = new Set(trip.map(({ path, line }) => `${path}:${line}`));
    const more = rows.findings.filter(({ path, line }) => !known.has(`${path}:${line}`));
    const safety = unaccepted(migrations, [...squawk, ...rows.risks]);
    return [...trip, ...more, ...safety, ...stale, ...queries];
  } finally {
    for (const db of [empty, full]) await db.close();
  }
}

/** Whether the migrations are the project's: only these are what its queries were written for. */
function isOwn(): boolean {
  return migrationsDir() === join(project.root, "db", "migrations");
}

/**
 * What the tables come to in the end, or before they go, in a database as `up` leaves it; nothing
 * where that cannot be built, as the trip tells.
 */
async function buildWhole(
  settings: DatabaseSettings,
  migrations: Migration[],
): Promise<TableShape[] | undefined> {
  const db = connect(settings, { session: true, deadline: 120_000 });
  try {
    let shapes: TableShape[] = [];
    for (const migration of migrations) {
      if (/\b(drop|rename)\b/i.test(migration.up.text)) {
        shapes = withGone(await readShapes(db), shapes);
      }
      await replay(db, migration, "up");
    }
    const versions = migrations.map(({ version }) => `('${version}')`).join(", ");
    await db.script(`
      create table schema_migrations (version varchar primary key);
      ${versions ? `insert into schema_migrations values ${versions}` : ""}
    `);
    return withGone(await readShapes(db), shapes);
  } catch (error) {
    if (error instanceof ReplayFailure) return undefined;
    throw error;
  } finally {
    await db.close();
  }
}

/** Generated files that are not what the migrations build. */
async function staleFiles(scratch: Scratch, migrations: Migration[]): Promise<Finding[]> {
  let files;
  try {
    files = await generate(scratch, migrations);
  } catch (error) {
    // The round trip tells it.
    if (error instanceof ReplayFailure) return [];
    throw error;
  }
  const findings: Finding[] = [];
  for (const { path, text } of files) {
    const found = await readIfThere(path);
    if (found === text) continue;
    const lines = text.split("\n");
    findings.push({
      path: shownPath(path),
      line: found === undefined
        ? 0
        : found.split("\n").findIndex((line, i) => line !== lines[i]) + 1,
      message: found === undefined ? "is not there" : "is not what the migrations build",
      remedy: `run \`${project.command} schema\`; or, if the file is what you want, ` +
        `\`${project.command} diff <name>\` drafts the migration to it`,
    });
  }
  return findings;
}

function sorted(findings: Finding[]): Finding[] {
  return findings.sort((a, b) => a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1);
}

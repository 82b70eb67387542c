import { type Context, exit, text } from "../command.ts";
import { createVersionsSchema, createVersionsTable, recording } from "../bookkeeping.ts";
import { partAtBaseline } from "../files/baseline.ts";
import { report } from "../finding.ts";
import { readFolder } from "../files/migrations.ts";
import type { Folder, Migration } from "../files/migrations.ts";
import { openSession } from "./session.ts";
import { isWanted, judgePending } from "./pending.ts";
import { judgeReverted } from "./reverted.ts";
import { readState, type Row } from "./state.ts";
import { searchPathOfUrl } from "../project.ts";
import { openTarget } from "../target.ts";
import { downTo, find, upTo } from "./versions.ts";

/** Prints what `up` would run, for whoever has to hand a script to somebody else. */
export async function printUp(context: Context, target: string | undefined): Promise<number> {
  const folder = await readFolder();
  const rows = await readRows(context, folder);
  const pending = upTo(target, rows, isWanted(context));
  const { errors, warnings } = await judgePending(folder, rows, pending);
  report(context, errors, warnings);
  if (errors.length > 0) return exit.found;
  printSearchPath(context);
  const schema = createVersionsSchema();
  if (schema) context.print(schema);
  context.print(createVersionsTable());
  printBlocks(context, pending.map(({ file }) => file!), "up");
  return exit.done;
}

/** Prints what `down` would run. */
export async function printDown(
  context: Context,
  target: string | undefined,
  steps: number,
): Promise<number> {
  const folder = await readFolder();
  const rows = await readRows(context, folder);
  const migrations = await judgeReverted(context, downTo(target, steps, rows));
  if (!migrations) return exit.found;
  printSearchPath(context);
  printBlocks(context, migrations, "down");
  return exit.done;
}

/** What this URL says; whoever runs the script may come by another. */
function printSearchPath(context: Context) {
  const path = searchPathOfUrl()?.replaceAll("'", "''");
  if (path) context.print(`select pg_catalog.set_config('search_path', '${path}', false);`);
}

/**
 * In one session, where `up` begins a new one behind what is at or before the baseline: what that has
 * left to the session ends there.
 */
function printBlocks(context: Context, migrations: Migration[], action: "up" | "down") {
  const { history, judged } = partAtBaseline(migrations);
  let moved = false;
  for (const migration of migrations) {
    if (
      action === "up" && migration === judged[0] && history.some(({ up }) => leaves.test(up.text))
    ) {
      context.print("\n-- A session anew.\nreset all;\ndiscard temp;");
      printSearchPath(context);
      moved = false;
    }
    moved ||= /search_path/i.test(migration[action].text);
    context.print(script(migration, action, moved));
  }
}

/** Words by which a block changes its session. */
const leaves = /\b(set|set_config|temp|temporary)\b/i;

/** What is applied: as the database says, or with --from everything up to a version. */
async function readRows(context: Context, folder: Folder): Promise<Row[]> {
  const from = text(context, "from");
  if (from === undefined) {
    await using target = await openTarget();
    const db = await openSession(target.settings);
    try {
      return await readState(db, folder);
    } finally {
      await db.close();
    }
  }
  const rows = folder.migrations.map((file): Row => ({
    version: file.version,
    name: file.name,
    file,
    byHand: false,
    renamed: false,
    state: "pending",
  }));
  const last = from === "base" ? "" : find(from, rows).version;
  for (const row of rows) if (row.version <= last) row.state = "applied";
  return rows;
}

function script(migration: Migration, action: "up" | "down", asFound: boolean): string {
  const { text, transaction } = migration[action];
  const body = text.split("\n").slice(1).join("\n").trim();
  // Nothing tells where the last statement ends but its semicolon, on a line of its own after a
  // comment without a line feed.
  const complete = /;\s*$/.test(body) ? body : `${body}\n;`;
  const lines = [complete, recording(action, migration.version, { asFound })];
  return [
    "",
    `-- ${action}: ${migration.file}`,
    ...(transaction ? ["begin;", ...lines, "commit;"] : lines),
  ].join("\n");
}

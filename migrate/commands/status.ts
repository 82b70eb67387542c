import { type Command, exit, paint, table } from "../command.ts";
import { checkForm } from "../files/form.ts";
import { judge } from "../files/judge.ts";
import { dropRemedy, invalidIndexes } from "../apply/indexes.ts";
import { isLocked } from "../apply/lock.ts";
import { type Finding, report } from "../finding.ts";
import { readFolder } from "../files/migrations.ts";
import { openSession } from "../apply/session.ts";
import { findingsOf, readState, type Row, type State } from "../apply/state.ts";
import { openTarget } from "../target.ts";

const colors: Partial<Record<State, "green" | "yellow">> = { applied: "green", pending: "yellow" };

export const command: Command = {
  name: "status",
  usage: "[options]",
  description:
    "Shows every migration of the folder and of the database: applied, pending, edited, missing,\n" +
    "out of order or unfinished. Changes nothing. Exit code 1 when anything but applied and\n" +
    "pending is there, or a file or an index is faulty.",
  example: "status\nstatus --pending || echo 'not up to date'",
  arguments: [0, 0],
  options: {
    json: { type: "boolean", summary: "as JSON" },
    pending: { type: "boolean", summary: "exit code 2 when something is pending" },
  },
  async run(context) {
    const folder = await readFolder();
    await using target = await openTarget();
    const db = await openSession(target.settings);
    let rows: Row[];
    let running: boolean;
    const findings: Finding[] = [...folder.findings];
    try {
      rows = await readState(db, folder);
      running = await isLocked(db);
      if (!running) {
        for (const index of await invalidIndexes(db)) {
          findings.push({
            path: "database",
            line: 0,
            rule: "invalid-index",
            message: `${index.name} on ${index.table} is an invalid index`,
            remedy: dropRemedy(index),
          });
        }
      }
    } finally {
      await db.close();
    }
    findings.push(...findingsOf(rows));
    for (const { state, file } of rows) {
      if (state === "pending") findings.push(...await checkForm(file!));
    }
    const { errors, warnings } = judge(findings, folder.migrations);
    const { print, say } = context;
    if (context.options.json) {
      print(
        JSON.stringify(
          { migrations: rows.map(toJson), findings: [...warnings, ...errors] },
          null,
          2,
        ),
      );
    } else {
      const cells = rows.map((row) => [
        paint(colors[row.state] ?? "red", row.state),
        (row.file ?? row.entry)?.file.replace(/\.sql$/, "") ?? `${row.version}_${row.name}`,
        row.state === "pending" ? "" : when(row),
      ]);
      for (const line of table(cells)) print(line);
      if (rows.length === 0) say("no migrations");
    }
    if (running) say("another run holds the migration lock: what is unfinished may be under way");
    report(context, errors, warnings);
    if (errors.length > 0) return exit.found;
    const pending = rows.some(({ state }) => state === "pending");
    return context.options.pending && pending ? exit.usage : exit.done;
  },
};

function when({ byHand, renamed, entry }: Row): string {
  if (renamed) return "as what it replaces";
  if (byHand || !entry) return "by dbmate itself";
  const known = `${entry.started_at} ${entry.author}`;
  return entry.action === "adopt" ? `by dbmate itself, before ${known}` : known;
}

function toJson({ version, name, state, byHand, entry, file }: Row) {
  // When and by whom dbmate itself did it, nobody has written down.
  const known = byHand || entry?.action === "adopt" ? undefined : entry;
  return {
    version,
    name,
    state,
    path: file?.path ?? null,
    by_hand: byHand,
    applied_at: state === "pending" ? null : known?.started_at ?? null,
    author: state === "pending" ? null : known?.author ?? null,
  };
}

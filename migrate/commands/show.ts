import { type Command, exit, Failure } from "../command.ts";
import { report } from "../finding.ts";
import { partAtBaseline } from "../files/baseline.ts";
import { type Migration, readFolder } from "../files/migrations.ts";
import { openSession } from "../apply/session.ts";
import type { Action } from "../apply/ledger.ts";
import { fromLedger, readState, type Row } from "../apply/state.ts";
import { connect } from "../../postgres/mod.ts";
import { probe } from "../proof/probe.ts";
import { build } from "../proof/replay.ts";
import { openScratch } from "../scratch.ts";
import { openTarget } from "../target.ts";
import { find } from "../apply/versions.ts";

export const command: Command = {
  name: "show",
  usage: "<version> [--applied]",
  description:
    "Shows one migration: its state, who applied it and when, the locks that its up takes on tables\n" +
    "that are there before it, as measured on a scratch server, and its text. --applied prints the\n" +
    "text as the ledger keeps it from the time when it was applied, and nothing else.",
  example:
    "show 20261104092000\nshow add_owners --applied > db/migrations/20261109090000_add_owners.sql",
  arguments: [1, 1],
  options: {
    applied: { type: "boolean", summary: "the text as it was when it was applied" },
  },
  async run({ positionals, options, print, say, progress }) {
    const folder = await readFolder();
    await using target = await openTarget();
    const db = await openSession(target.settings);
    let row: Row;
    try {
      row = find(positionals[0]!, await readState(db, folder));
    } finally {
      await db.close();
    }
    const recorded = row.entry && !row.byHand ? fromLedger(row.entry) : undefined;
    if (options.applied) {
      if (!recorded) {
        throw new Failure(`the ledger does not have ${row.version}: dbmate applied it`);
      }
      print(recorded.text.replace(/\n$/, ""));
      return exit.done;
    }
    report({ say }, folder.findings);
    const shown = row.file ?? recorded;
    print(header(row, shown));
    if (row.file) {
      progress("measuring its locks");
      for (const line of await locksOf(row.file, folder.migrations)) print(line);
    }
    if (shown) print(`\n${shown.text.trimEnd()}`);
    return exit.done;
  },
};

function header({ version, name, state, entry, byHand, renamed }: Row, shown?: Migration): string {
  const done: Partial<Record<Action, string>> = {
    adopt: "by dbmate itself, recorded",
    stamp: "elsewhere, recorded by stamp",
    down: "reverted",
  };
  const application = entry && !byHand
    ? ` ${[done[entry.action], entry.started_at].filter(Boolean).join(" ")} by ${entry.author}${
      entry.outcome === "done" ? "" : `, ${entry.outcome ?? "no outcome"}`
    }`
    : state === "pending"
    ? ""
    : renamed
    ? " as what it replaces"
    : " by dbmate itself";
  return `${shown?.path ?? `${version}_${name}`}: ${state}${application}`;
}

/** A line for each lock that the migration takes, with what else it does to the table. */
async function locksOf(migration: Migration, all: Migration[]): Promise<string[]> {
  if (!migration.up.transaction) return ["lock: outside a transaction, not measured"];
  await using scratch = await openScratch({ migrations: all });
  const db = connect(await scratch.create(), { session: true, deadlineMs: 120_000 });
  try {
    await build(db, partAtBaseline(all.filter(({ version }) => version < migration.version)));
    const effects = await probe(db, migration);
    if (effects.length === 0) return ["lock: none on a table that is there before it"];
    return effects.map(({ line, table, lock, rewritten, scanned }) =>
      `lock: ${lock} on ${table}, line ${line}${
        rewritten ? ", which writes it anew" : scanned ? ", which reads every row" : ""
      }`
    );
  } finally {
    await db.close();
  }
}

import { type Command, exit, paint, table } from "../command.ts";
import { type Entry, readLedger } from "../apply/ledger.ts";
import { readFolder } from "../files/migrations.ts";
import { openSession } from "../apply/session.ts";
import { readState } from "../apply/state.ts";
import { openTarget } from "../target.ts";

export const command: Command = {
  name: "history",
  usage: "[--json]",
  description:
    "Everything that was done to the schema of the database, the newest first: when, by whom, which\n" +
    "migration, with what outcome. `up` and `down` are runs, `stamp` and `adopt` are records of what\n" +
    "was there already. What dbmate itself applied since the last run has no time.",
  example: "history\nhistory --json | jq '.[0].author'",
  arguments: [0, 0],
  options: { json: { type: "boolean", summary: "as JSON" } },
  async run({ options, print, say }) {
    const folder = await readFolder();
    await using target = await openTarget();
    const db = await openSession(target.settings);
    try {
      const unknown = (await readState(db, folder)).filter(({ byHand, renamed }) =>
        byHand && !renamed
      ).reverse();
      const entries = (await readLedger(db)).reverse();
      if (options.json) {
        print(JSON.stringify(
          [
            ...unknown.map(({ version, name }) => ({ version, name, action: null, author: null })),
            ...entries.map(({ content: _, ...entry }) => entry),
          ],
          null,
          2,
        ));
        return exit.done;
      }
      const rows = [
        ...unknown.map(({ version, name }) => ["", "dbmate", `${version}_${name}`, "", ""]),
        ...entries.map(cells),
      ];
      for (const line of table(rows)) print(line);
      if (rows.length === 0) say("nothing was done yet");
      return exit.done;
    } finally {
      await db.close();
    }
  },
};

function cells({ started_at, action, file, author, role, outcome }: Entry): string[] {
  return [
    started_at,
    action,
    file.replace(/\.sql$/, ""),
    author === role ? author : `${author} as ${role}`,
    outcome === "done" ? "" : paint("red", outcome ?? "no outcome"),
  ];
}

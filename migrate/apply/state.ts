import type { Database } from "../../postgres/mod.ts";
import { type Entry, outOfSight, readApplied, readLedger } from "./ledger.ts";
import { exit, Failure } from "../command.ts";
import type { Finding } from "../finding.ts";
import { type Folder, type Migration, parse, shownPath } from "../files/migrations.ts";
import type { Rule } from "../rules.ts";
import { splitName } from "../files/names.ts";
import { migrationsDir } from "../files/migrations.ts";
import { join } from "node:path";
import { project } from "../project.ts";

export type State =
  | "applied"
  | "pending"
  /** Applied, and the file says something else now. */
  | "edited"
  /** Applied, and there is no such file. */
  | "missing"
  /** Not applied, while a newer one is. */
  | "out of order"
  /** A run without a transaction was cut off: nobody knows whether it was done. */
  | "unfinished";

export interface Row {
  version: string;
  name: string;
  state: State;
  /** The file in the folder, where there is one. */
  file?: Migration;
  /** What the ledger says of the last time that something was done with it. */
  entry?: Entry;
  /** The last run, as long as the ledger does not know how it ended. */
  open?: Entry;
  /** Applied by dbmate itself, or as part of a baseline: the ledger has no entry that says so. */
  byHand: boolean;
  /** A baseline that was recorded as the migration whose number it has. */
  renamed: boolean;
  /** The baseline that stands in its place. */
  baseline?: Migration;
}

/** Every version that the folder or the database knows, in dbmate's order. */
export async function readState(db: Database, folder: Folder): Promise<Row[]> {
  const fault = await outOfSight(db);
  if (fault) throw new Failure(`${fault}; nothing was changed`, exit.usage);
  const applied = new Set(await readApplied(db));
  const entries = Map.groupBy(await readLedger(db), ({ version }) => version);
  const last = new Map(entries.values().map((all) => all.at(-1)!).map((e) => [e.version, e]));
  const files = new Map(folder.migrations.map((migration) => [migration.version, migration]));
  const cutOff = [...last.values()].filter((entry) => isCutOff(entry, applied)).map((e) =>
    e.version
  );
  const squashed = new Set(
    folder.migrations.flatMap(({ version, replaces = [] }) => applied.has(version) ? replaces : []),
  );
  const versions = [...new Set([...files.keys(), ...applied, ...cutOff])].sort()
    .filter((version) => files.has(version) || !squashed.has(version));
  const newest = versions.findLast((version) => applied.has(version)) ?? "";
  return versions.map((version) => {
    const file = files.get(version);
    const entry = standing(entries.get(version) ?? [], applied);
    const open = last.get(version)?.outcome === null ? last.get(version) : undefined;
    // A baseline has the number of a migration that was applied under another name.
    const renamed = file?.replaces !== undefined && entry !== undefined &&
      entry.file !== file.file;
    const byHand = applied.has(version) && (!entry || renamed ||
      entry.action === "down" || entry.outcome === "failed");
    const baseline = folder.migrations.find(({ replaces }) => replaces?.includes(version));
    const name = file?.name ?? (entry ? splitName(entry.file).name : "");
    return { version, name, file, entry, open, byHand, renamed, state: state(), baseline };

    function state(): State {
      if (entry && isCutOff(entry, applied)) return "unfinished";
      if (!applied.has(version)) return version < newest ? "out of order" : "pending";
      if (!file) return "missing";
      return entry && !byHand && entry.checksum !== file.checksum ? "edited" : "applied";
    }
  });
}

/** The last of a version's entries; a down that has undone nothing leaves what stood before it. */
function standing(entries: Entry[], applied: Set<string>): Entry | undefined {
  const last = entries.at(-1);
  const undid = last?.action !== "down" || last.outcome === "done" || !applied.has(last.version);
  return undid || isCutOff(last, applied)
    ? last
    : entries.findLast(({ outcome }) => outcome === "done");
}

/**
 * Whether an entry has no outcome, dbmate's record does not show one either, and no transaction
 * has undone what was begun.
 */
function isCutOff(entry: Entry, applied: Set<string>): boolean {
  if (entry.outcome !== null || (entry.action !== "up" && entry.action !== "down")) return false;
  if ((entry.action === "up") === applied.has(entry.version)) return false;
  return !fromLedger(entry)[entry.action].transaction;
}

/** The migration as the ledger keeps it. */
export function fromLedger({ file, content }: Entry): Migration {
  const { migration, findings } = parse(
    join(migrationsDir(), file),
    new TextEncoder().encode(content),
  );
  if (!migration) throw new Error(`the ledger's ${file}: ${findings[0]?.message}`);
  return migration;
}

/** What forbids to apply anything: for each row that is not as it should be, why and what to do. */
export function findingsOf(rows: Row[]): Finding[] {
  return rows.flatMap((row): Finding[] => {
    const path = row.file?.path ??
      shownPath(join(migrationsDir(), row.entry?.file ?? `${row.version}_*.sql`));
    const finding = (line: number, rule: Rule, message: string, remedy: string) => [
      { path, line, rule, message, remedy },
    ];
    switch (row.state) {
      case "edited":
        return finding(
          firstDifference(row.entry!.content, row.file!.text),
          "edited",
          `was edited after it was applied at ${row.entry!.started_at} by ${row.entry!.author}`,
          `in development, while it is the newest, \`${project.command} redo\` reverts it and applies it again; elsewhere put it back with \`${project.command} show ${row.version} --applied > ${path}\` and write a new migration; where the schema is the same, as after a corrected comment, \`${project.command} stamp ${row.version}\` accepts it`,
        );
      case "missing":
        if (row.baseline) {
          return finding(
            0,
            "missing",
            `is replaced by ${row.baseline.file}, and this database has not all that it replaces`,
            "bring it up with a checkout from before the squash first",
          );
        }
        return finding(
          0,
          "missing",
          "is applied, and its file is gone",
          row.entry
            ? `take a checkout that has it, or write it back with \`${project.command} show ${row.version} --applied > ${path}\``
            : "take a checkout that has it",
        );
      case "out of order":
        return finding(
          0,
          "out-of-order",
          "has an older number than what is applied already",
          `give it a new one: git mv it to ${
            suggestion(row)
          }; or accept the order with \`up --out-of-order\``,
        );
      case "unfinished":
        return finding(
          row.entry ? fromLedger(row.entry)[row.entry.action as "up" | "down"].line : 0,
          "unfinished",
          `was cut off at its ${row.entry!.action} of ${
            row.entry!.started_at
          }, outside a transaction: it may be done and not recorded`,
          `look at what it does; if it was done, record it with \`${project.command} stamp ${row.version}\`; if not, repeat it with \`${project.command} ${
            row.entry!.action
          } --again\``,
        );
      default:
        return [];
    }
  });
}

function suggestion({ name }: Row): string {
  const now = new Date().toISOString().replaceAll(/\D/g, "").slice(0, 14);
  return `${now}_${name}.sql`;
}

function firstDifference(before: string, after: string): number {
  const [a, b] = [before.split("\n"), after.split("\n")];
  return b.findIndex((line, i) => line !== a[i]) + 1 || Math.min(a.length, b.length);
}

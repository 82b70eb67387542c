import { exit, Failure, nearest } from "../command.ts";
import type { Row } from "./state.ts";
import { project } from "../project.ts";

/** The row that a version, the start of one, or a name means. Throws a Failure of wrong use. */
export function find(wanted: string, rows: Row[]): Row {
  const bare = wanted.split(/[\\/]/).pop()!.replace(/\.sql$/, "");
  const exact = rows.find((row) =>
    [row.version, row.name, `${row.version}_${row.name}`].includes(bare)
  );
  if (exact) return exact;
  const near = rows.filter(({ version, name }) =>
    /^\d+$/.test(bare) ? version.startsWith(bare) : name.includes(bare)
  );
  if (near.length === 1) return near[0]!;
  if (near.length > 1) {
    const list = near.slice(0, 5).map(({ version, name }) => `${version}_${name}`).join(", ");
    const more = near.length > 5 ? `, and ${near.length - 5} more` : "";
    throw new Failure(`${wanted} can mean several migrations: ${list}${more}`, exit.usage);
  }
  const guess = nearest(bare, rows.flatMap(({ version, name }) => [version, name]));
  throw new Failure(
    `there is no migration ${wanted}${
      guess ? `: did you mean ${guess}?` : ""
    }; \`${project.command} status\` lists them`,
    exit.usage,
  );
}

/** What of the wanted rows is to be applied: all, the next n (+2), or all up to a target. */
export function upTo(
  target: string | undefined,
  rows: Row[],
  wanted: (row: Row) => boolean,
): Row[] {
  const pending = rows.filter(wanted);
  if (target === undefined || target === "head") return pending;
  if (/^\+\d+$/.test(target)) return pending.slice(0, Number(target));
  const { version } = find(target, rows);
  return pending.filter((row) => row.version <= version);
}

/**
 * What is to be reverted, the newest first: n steps, or all that is newer than a target, which may
 * be nothing. Throws a Failure where there is no step to take back, as dbmate fails.
 */
export function downTo(target: string | undefined, steps: number, rows: Row[]): Row[] {
  const applied = rows.filter(isApplied).reverse();
  if (target === undefined) {
    if (applied.length === 0) throw new Failure("nothing is applied that could be reverted");
    return applied.slice(0, steps);
  }
  if (target === "base") return applied;
  const { version } = find(target, rows);
  return applied.filter((row) => row.version > version);
}

/** Whether the database has it, in whatever condition its file is. */
export function isApplied({ state, entry }: Row): boolean {
  return state === "applied" || state === "edited" || state === "missing" ||
    (state === "unfinished" && entry?.action === "down");
}

import type { Difference } from "../catalog/catalog.ts";

/** Kinds whose definition is a statement that also replaces what was there. */
const replacing = new Set(["comment", "setting", "view"]);

/**
 * Statements for what a draft has missed: pg-delta does not see some comments, storage, statistics,
 * text search, casts and options. `found` is what the draft builds, `expected` what it should.
 * Returns nothing for what only a person can decide.
 */
export function repairs(differences: Difference[]): string[] {
  return differences.flatMap(({ kind, name, expected, found }) => {
    const undo = found === undefined ? undefined : removal(kind, name, found);
    if (expected === undefined) return undo ?? [];
    if (kind === "view" && found !== undefined) {
      return expected.replace(/^create view/, "create or replace view");
    }
    if (replacing.has(kind)) return expected;
    return removable.has(kind) ? [...undo === undefined ? [] : [undo], expected] : [];
  });
}

/** Kinds that have to go before they come again. */
const removable = new Set([
  "grant",
  "statistics",
  "cast",
  "text search",
  "rule",
  "default privileges",
]);

function removal(kind: string, name: string, ddl: string): string | undefined {
  const table = /^alter table (\S+) /.exec(ddl)?.[1];
  const column = / alter column ("[^"]+"|\w+) /.exec(ddl)?.[1];
  switch (kind) {
    case "comment":
      return ddl.replace(/ is '(?:[^']|'')*'$/, " is null");
    case "statistics":
      return `drop statistics ${name}`;
    case "cast":
      return `drop cast (${name})`;
    case "text search":
      return `drop text search configuration ${name}`;
    case "rule":
      return `drop rule ${lastName(name)} on ${name.slice(0, -lastName(name).length - 1)}`;
    case "grant":
    case "default privileges":
      return ddl.startsWith("revoke")
        ? ddl.replace("revoke", "grant").replace(/ from (\S+)$/, " to $1")
        : ddl.replace(/\bgrant\b/, "revoke").replace(/ to (\S+)( with grant option)?$/, " from $1");
    case "setting":
      if (/ storage$/.test(name)) {
        return `alter table ${table} alter column ${column} set storage extended`;
      }
      if (/ statistics$/.test(name)) {
        return `alter table ${table} alter column ${column} set statistics -1`;
      }
      if (/ compression$/.test(name)) {
        return `alter table ${table} alter column ${column} set compression default`;
      }
      if (/ options$/.test(name)) {
        const options = [...ddl.matchAll(/(\w+)=/g)].map(([, option]) => option);
        return `alter table ${table} alter column ${column} reset (${options.join(", ")})`;
      }
      if (/ replica identity$/.test(name)) return `alter table ${table} replica identity default`;
      if (/ firing$/.test(name)) {
        return ddl.replace(/ (disable|enable \w+) trigger /, " enable trigger ");
      }
      if (/ forced row level security$/.test(name)) return ddl.replace(" force ", " no force ");
      if (/ row level security$/.test(name)) return ddl.replace(" enable ", " disable ");
      if (/ owned by$/.test(name)) return ddl.replace(/ owned by .*$/, " owned by none");
  }
}

/** What stands after the last dot that is not inside of quotes. */
function lastName(name: string): string {
  return /("(?:[^"]|"")*"|[^."]+)$/.exec(name)![0];
}

import type { Names } from "./names.ts";
import type { Table } from "./table.ts";

/** What keeps statements from meeting on an exclusion constraint; nothing where a table has none. */
export interface Lock {
  /** The CTE of a creation, and of a change. */
  ofNew: string;
  ofChanged: string;
  /** The condition that makes the write wait for it. */
  after: string;
}

/**
 * Each of several rows that exclude each other is written first and waits for all others then: a
 * deadlock, which PostgreSQL looks for after a second. So they wait for one row before they write:
 * the one that they all refer to, such as the room of bookings, or else their owner.
 */
export function lockOf(table: Table, { one }: Names): Lock {
  const exclusions = table.constraints.filter(({ kind }) => kind === "exclusion");
  if (exclusions.length === 0) return { ofNew: "", ofChanged: "", after: "" };
  const parents = table.columns.filter(({ name, references }) =>
    references && exclusions.every(({ columns }) => columns.includes(name))
  );
  const [parent] = parents;
  const why = "-- Those that could stand in each other's way come one after the other.";
  const cte = (lines: string[]) => `
    ${why}
    locked as materialized (
      ${lines.join("\n      ")}
    ),`;
  const after = "\n        and (select count(*) from locked) >= 0";
  if (!parent) {
    const owner = cte([
      "select p.id",
      "from users p",
      "where p.id = ${credential.ownerId} and ${allowed}",
      "for no key update",
    ]);
    return { ofNew: owner, ofChanged: owner, after };
  }
  return {
    ofNew: cte([
      "select p.id",
      `from ${parent.references} p`,
      `where p.owner_id = \${credential.ownerId} and \${allowed} and p.id = \${${one}.${parent.name}}`,
      "for no key update",
    ]),
    ofChanged: cte([
      "select p.id",
      `from ${table.name} t`,
      `join ${parent.references} p on p.owner_id = \${ownerId} and p.id = \${${parent.name}}`,
      "where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id}",
      "for no key update of p",
    ]),
    after,
  };
}

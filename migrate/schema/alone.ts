import type { CatalogObject } from "../catalog/definitions.ts";
import { lastName, outsideQuotes } from "../files/sql_text.ts";

/** How the definition of a key ends whose index is not valid. */
export const invalidKey = / -- invalid index$/;

/**
 * Whether it is an index or a key of a partitioned table without its partitions', which is not valid
 * until each of these has one that is attached to it.
 */
export function isAlone({ kind, ddl }: Pick<CatalogObject, "kind" | "ddl">): boolean {
  if (kind === "constraint") return invalidKey.test(ddl);
  let found = false;
  outsideQuotes(ddl, (part) => {
    found ||= / on only /i.test(part);
    return part;
  });
  return kind === "index" && found;
}

/**
 * The objects that come after all partitions: each partition that is attached gets what the table
 * has then. They are the indexes and keys that are meant to be alone, what is attached to them, and
 * their comments.
 */
export function afterPartitions(objects: CatalogObject[]): Set<CatalogObject> {
  const alone = objects.filter(isAlone);
  const marks = alone.flatMap(({ kind, name, of }) => {
    const own = name.slice(of!.length + 1);
    return kind === "index"
      ? [`comment on index ${name} is `, `alter index ${name} attach partition `]
      : [`comment on constraint ${own} on ${of} is `, `alter index ${indexOf(of!, own)} attach `];
  });
  const beside = objects.filter(({ ddl }) => marks.some((mark) => ddl.startsWith(mark)));
  return new Set([...alone, ...beside]);
}

/** The index of a key, which is in the schema of its table. */
function indexOf(table: string, key: string): string {
  const schema = table.slice(0, -lastName(table).length);
  return schema + key;
}

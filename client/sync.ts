import type { components } from "./schema.ts";

type Schemas = components["schemas"];
type Change = Schemas["Changes"]["data"][number];

/** What can be followed. */
export type Kind = Change["kind"];

/** A row of this kind. */
export type RowOf<K extends Kind> = NonNullable<Extract<Change, { kind: K }>["row"]>;

/** A copy of all of the caller's rows of one kind. */
export interface Copy<K extends Kind> {
  /** By id, as they were at the last pull(). */
  readonly rows: ReadonlyMap<number, RowOf<K>>;
  /** Brings it up to date: what has changed since, or everything where that is not known any more. */
  pull(): Promise<void>;
}

/** Reads a page of changes. Undefined: the cursor has expired. */
export type ReadChanges = (cursor?: string) => Promise<Schemas["Changes"] | undefined>;

/** A copy that is empty until its first pull(). */
export function copyOf<K extends Kind>(kind: K, read: ReadChanges): Copy<K> {
  let rows = new Map<number, RowOf<K>>();
  let cursor: string | undefined;
  return {
    get rows() {
      return rows;
    },
    async pull() {
      // Only a whole pull is seen, also by whoever reads meanwhile.
      let next = new Map(rows);
      let from = cursor;
      for (let more = true; more;) {
        const page = await read(from);
        if (!page) {
          [next, from] = [new Map(), undefined];
          continue;
        }
        for (const change of page.data) {
          if (change.kind !== kind) continue;
          if (change.row === null) next.delete(change.id);
          else next.set(change.id, change.row as RowOf<K>);
        }
        from = page.next_cursor;
        more = page.more;
      }
      [rows, cursor] = [next, from];
    },
  };
}

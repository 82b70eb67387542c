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
  /**
   * Brings it up to date: what has changed since, or everything where that is not known any more.
   * Of two at once the second waits for the first. One that fails or is aborted changes nothing.
   */
  pull(options?: PullOptions): Promise<void>;
}

export interface PullOptions {
  /** Ends it; it then throws the signal's reason. */
  signal?: AbortSignal;
}

/** Which page of changes to read. */
interface Ask extends PullOptions {
  cursor?: string;
  /** Whether a cursor that has expired is an answer, which is undefined; else it is thrown. */
  mayExpire: boolean;
}

/** Reads a page of changes. */
export type ReadChanges = (ask: Ask) => Promise<Schemas["Changes"] | undefined>;

/** A copy that is empty until its first pull(). */
export function copyOf<K extends Kind>(kind: K, read: ReadChanges): Copy<K> {
  let rows = new Map<number, RowOf<K>>();
  let cursor: string | undefined;
  let before: Promise<void> = Promise.resolve();

  async function bring({ signal }: PullOptions) {
    // Only a whole pull is seen, also by whoever reads meanwhile.
    let next = new Map(rows);
    let from = cursor;
    // Once: whose cursors expire as soon as they are given would be asked for ever.
    let mayExpire = true;
    for (let more = true; more;) {
      signal?.throwIfAborted();
      const page = await read({ cursor: from, mayExpire, signal });
      if (!page) {
        [next, from, mayExpire] = [new Map(), undefined, false];
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
    signal?.throwIfAborted();
    [rows, cursor] = [next, from];
  }

  return {
    get rows() {
      return rows;
    },
    pull(options = {}) {
      // One after another: of two from the same place the slower one would put back what the other saw.
      const pulled = before.then(() => bring(options));
      before = pulled.catch(() => {});
      return pulled;
    },
  };
}

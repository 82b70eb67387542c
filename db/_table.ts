import type { Key, Scope } from "./_caller.ts";
import { createRow, type Idempotency } from "./_create.ts";
import {
  deleteRow,
  type Filtered,
  getPage,
  getRow,
  join,
  shown,
  updateRow,
  type Versions,
} from "./_shapes.ts";
import type { PageRequest, SortKey } from "./_sort.ts";
import { type Database, sql, type Statement } from "../postgres/mod.ts";

export { owned } from "./_caller.ts";
export { stamps, utc } from "./_shapes.ts";
export { by, byId } from "./_sort.ts";

/** The SQL in which one table differs from another. The table goes by the name `t` in all of it. */
export interface Parts<Fields extends object, Sort extends string, Filter> {
  from: Statement;
  /** What a row shows. */
  columns: Statement;
  /** The condition under which the caller may see a row and change it. */
  visible: Statement;
  /** The ways to sort its pages, the default first. */
  sorts: Record<Sort, SortKey>;
  filter?(filter: Filter, descending: boolean): Filtered;
  /** The insert of a row on behalf of `caller`, up to its `from caller`. */
  insert(fields: Fields): Statement;
  /** `column = value` for each field that can be changed; none where a row stays as it is. */
  set?: { [Name in keyof Fields]-?: (value: Fields[Name]) => Statement };
  /** Where it is not read for the list and write for the creation. */
  scopes?: { list: Scope; create: Scope };
}

/**
 * The statements that every table of rows with an id and a version has. Each proves who is asking,
 * does its work and builds the JSON in one round trip.
 */
export function table<Fields extends object, Sort extends string, Filter = object>(
  parts: Parts<Fields, Sort, Filter>,
) {
  const { from, columns, visible, sorts, filter, insert, set } = parts;
  const { scopes = { list: "read", create: "write" } } = parts;
  const rows = { from, visible, shown: shown(columns) };

  return {
    /** What a row shows, of `from`. */
    columns,
    from,
    sorts,
    scopes,
    /** The fields that can be changed. */
    changeable: Object.keys(set ?? {}),

    get: (db: Database, key: Key, id: Statement | string) => getRow(db, key, rows, id),

    /** `present` is a condition without which the page is not there at all. */
    list(
      db: Database,
      key: Key,
      { sort, descending, after, limit }: PageRequest<Sort>,
      asked: Filter,
      present?: Statement,
    ) {
      const order = sorts[sort].order(descending, after);
      const filtered = filter?.(asked, descending);
      return getPage(db, key, scopes.list, rows, order, limit, filtered, present);
    },

    create: (db: Database, key: Key, fields: Fields, idempotency?: Idempotency) =>
      createRow(db, { key, scope: scopes.create, idempotency }, insert(fields), rows.shown),

    update(db: Database, key: Key, id: string, fields: Partial<Fields>, versions?: Versions) {
      const names = Object.keys(fields) as (keyof Fields)[];
      const changes = names.filter((name) => fields[name] !== undefined)
        .map((name) => set![name](fields[name]!));
      // Nothing to change: the trigger sees equal rows and keeps the version.
      const all = changes.length === 0 ? sql`version = t.version` : join(changes, sql`, `);
      return updateRow(db, key, rows, id, all, versions);
    },

    remove: (db: Database, key: Key, id: string, versions?: Versions) =>
      deleteRow(db, key, rows, id, versions),
  };
}

export type Table<Fields extends object, Sort extends string, Filter> = ReturnType<
  typeof table<Fields, Sort, Filter>
>;

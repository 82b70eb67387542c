import type { Database } from "../../postgres/mod.ts";
import { bookkeeping } from "./bookkeeping.ts";
import { project } from "../project.ts";
import { withoutSettings, withStatedOptions } from "./options.ts";
import { catalogQuery, type Writing } from "./query.ts";
import { readUsed, type Used } from "./used.ts";

/** One object of a database, as PostgreSQL writes it. */
export interface CatalogObject {
  kind: string;
  /** Its name with what it belongs to: `todos.due_date`. Unique within the kind. */
  name: string;
  /** The table, function or type that it is a part of, or itself; null: it stands alone. */
  of: string | null;
  /** `catalog:oid`, for the look-up of dependencies. Means nothing outside of its database. */
  id: string;
  /** Its definition: a column's or a constraint's is the clause, everything else's the statement. */
  ddl: string;
  /** The statement that takes it away or sets it back, where that is told. */
  undo: string | null;
}

/**
 * The objects of a database as statements, in the order of kind and name: what people read, and what
 * schema.sql is made of. Reads only; one statement, after the question which catalogs are used.
 */
export async function readDefinitions(
  db: Database,
  writing: Partial<Writing> = {},
  used?: Used,
): Promise<CatalogObject[]> {
  const { serverRoles = [] } = project.config;
  const usual = { path: "", internal: bookkeeping, ignored: [], serverRoles };
  const query = catalogQuery({ ...usual, ...writing }, used ?? await readUsed(db));
  const [row] = await db.query<{ objects: CatalogObject[] | null }>(query);
  const objects = row?.objects ?? [];
  for (const object of objects) {
    // A file with Windows line ends leaves them in the bodies of functions.
    object.ddl = object.ddl.replaceAll("\r\n", "\n");
    if (object.kind === "function" || object.kind === "procedure") {
      object.ddl = withoutSettings(object.ddl, writing.ignored ?? []);
    }
    if (object.kind !== "index" && object.kind !== "constraint") continue;
    object.ddl = withStatedOptions(object.ddl, writing.ignored);
  }
  return objects;
}

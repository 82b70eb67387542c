import type { Database } from "../../postgres/mod.ts";
import { readDefinitions } from "./definitions.ts";
import type { Catalog } from "./compare.ts";
import type { Writing } from "./query.ts";
import { readRows } from "./rows.ts";
import { readUsed } from "./used.ts";

export { type CatalogObject } from "./definitions.ts";
export { type Catalog, compareCatalogs, describeDifferences, type Difference } from "./compare.ts";

/**
 * Everything that PostgreSQL keeps about a schema. Equal schemas give equal catalogs, on each
 * PostgreSQL from 15 to 18, but for expressions, which `compareNormalized` compares. Reads only.
 */
export async function readCatalog(
  db: Database,
  { ignored = [] }: Pick<Partial<Writing>, "ignored"> = {},
): Promise<Catalog> {
  const used = await readUsed(db);
  return {
    definitions: await readDefinitions(db, { ignored }, used),
    rows: await readRows(db, ignored, used),
  };
}

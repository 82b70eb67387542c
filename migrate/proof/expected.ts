import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { foreignOwner } from "../../embedded/account.ts";
import { connect, type Database, sql } from "../../postgres/mod.ts";
import { madeSchema, versionsPlace, versionsTable } from "../bookkeeping.ts";
import { type Catalog, type Difference, readCatalog } from "../catalog/catalog.ts";
import { compareRows, describeRows } from "../catalog/compare.ts";
import { readDefinitions } from "../catalog/definitions.ts";
import { compareNormalized, needsNormalizing } from "../catalog/normalize.ts";
import { readRows } from "../catalog/rows.ts";
import { environment, project } from "../project.ts";
import { partAtBaseline } from "../files/baseline.ts";
import type { Migration } from "../files/migrations.ts";
import { build } from "./replay.ts";
import { openScratch } from "../scratch.ts";

/**
 * The catalogs that migrations build where the search_path is that of the live database. The last
 * answer is kept beside the development database, else in the user's cache, under a digest of the
 * migrations and of the code that reads catalogs, so that a second question needs no scratch
 * server. Throws a ReplayFailure.
 */
async function expectedCatalog(
  migrations: Migration[],
  live: Database,
): Promise<Catalog> {
  const folder = catalogsFolder();
  const searchPath = await searchPathOf(live);
  const path = join(folder, `${await digest(migrations, searchPath)}.json`);
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch {
    // Not there, or cut short: built again.
  }
  await using scratch = await openScratch({ migrations, searchPath });
  const db = connect(await scratch.create(), { session: true, deadlineMs: 120_000 });
  try {
    await build(db, partAtBaseline(migrations));
    const catalog = await readCatalog(db);
    await keep(folder, path, catalog);
    return catalog;
  } finally {
    await db.close();
  }
}

/**
 * What a live database, which is only read, has otherwise than migrations build. Its definitions cost
 * more than its rows, so they are only read to tell a difference; where that may be one of an
 * expression's text alone, a scratch server prints both. Throws a ReplayFailure.
 */
export async function compareWithMigrations(
  migrations: Migration[],
  live: Database,
): Promise<Difference[]> {
  const [expected, rows] = await Promise.all([expectedCatalog(migrations, live), readRows(live)]);
  const different = compareRows(expected.rows, rows);
  if (different.length === 0) return [];
  const found = { definitions: await readDefinitions(live), rows };
  const unmade = await unmadeSchema(live);
  const differences = describeRows(different, expected, found)
    .filter(({ kind, name }) => kind !== "schema" || name !== unmade);
  if (!differences.some(needsNormalizing)) return differences;
  await using scratch = await openScratch({ migrations, searchPath: await searchPathOf(live) });
  const db = connect(await scratch.create(), { session: true, deadlineMs: 120_000 });
  try {
    await build(db, partAtBaseline(migrations));
    return await compareNormalized(db, expected, found);
  } finally {
    await db.close();
  }
}

/** dbmate's schema, where dbmate has not been here yet: it comes with its table, by no migration. */
async function unmadeSchema(live: Database): Promise<string | undefined> {
  const { schema } = versionsPlace();
  if (schema === undefined) return undefined;
  const [row] = await live.query<{ name: string }>(sql`
    select quote_ident(${schema}) as name where to_regnamespace(quote_ident(${schema})) is null`);
  return row?.name;
}

/** The schemas that its sessions look into and that are there. */
async function searchPathOf(live: Database): Promise<string> {
  const [row] = await live.query<{ path: string }>(sql`
    select coalesce(string_agg(quote_ident(name), ', ' order by place), '') as path
    from unnest(current_schemas(false)) with ordinality as schemas (name, place)`);
  return row!.path;
}

/** Each project has one of its own. */
function catalogsFolder(): string {
  const { config, root } = project;
  const { XDG_CACHE_HOME, HOME = tmpdir() } = environment();
  if (config.development) return join(config.development.dataDir, "catalogs");
  const name = createHash("sha256").update(root).digest("hex").slice(0, 16);
  return join(XDG_CACHE_HOME || join(HOME, ".cache"), "dbmate-guard", name);
}

async function digest(migrations: Migration[], searchPath: string): Promise<string> {
  const { prepare, baseline, serverRoles } = project.config;
  const script = prepare && await Deno.readTextFile(resolve(project.root, prepare)).catch(() => "");
  const surroundings = [searchPath, versionsTable(), madeSchema(), script, baseline, serverRoles];
  const hash = createHash("sha256").update(`${JSON.stringify(surroundings)}\0`);
  const room = join(import.meta.dirname!, "..", "catalog");
  const sources = [...Deno.readDirSync(room)].map((entry) => entry.name).sort();
  for (const name of sources) hash.update(await Deno.readFile(join(room, name)));
  for (const { version, up } of migrations) hash.update(`${version}\n${up.text}\0`);
  return hash.digest("hex").slice(0, 32);
}

/** Only the newest is kept. Where nothing can be written the next question takes longer. */
async function keep(folder: string, path: string, catalog: Catalog) {
  // It may be a link to a folder of root's, which would be emptied.
  if (foreignOwner(folder)) return;
  try {
    await Deno.mkdir(folder, { recursive: true });
    for await (const entry of Deno.readDir(folder)) await Deno.remove(join(folder, entry.name));
    const partial = `${path}.${crypto.randomUUID()}`;
    await Deno.writeTextFile(partial, JSON.stringify(catalog));
    await Deno.rename(partial, path);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotFound)) {
      throw error;
    }
  }
}

import { connect } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { versionsTableName } from "../bookkeeping.ts";
import type { Parted } from "../files/baseline.ts";
import { build, replay, ReplayFailure } from "../proof/replay.ts";
import { readShapes, type TableShape, withGone } from "../proof/rows_query.ts";

/**
 * What the tables come to in the end, or before they go, in a database as `up` leaves it; nothing
 * where that cannot be built, as the trip tells.
 */
export async function buildWhole(
  settings: DatabaseSettings,
  { history, judged }: Parted,
): Promise<TableShape[] | undefined> {
  const db = connect(settings, { session: true, deadlineMs: 120_000 });
  try {
    await build(db, { history, judged: [] });
    let shapes: TableShape[] = [];
    for (const migration of judged) {
      if (/\b(drop|rename)\b/i.test(migration.up.text)) {
        shapes = withGone(await readShapes(db), shapes);
      }
      await replay(db, migration, "up", { recorded: true });
    }
    const versions = [...history, ...judged].map(({ version }) => `('${version}')`).join(", ");
    const table = versionsTableName();
    // Two files may have one number, or a migration records another one.
    if (versions) await db.script(`insert into ${table} values ${versions} on conflict do nothing`);
    return withGone(await readShapes(db), shapes);
  } catch (error) {
    if (error instanceof ReplayFailure) return undefined;
    throw error;
  } finally {
    await db.close();
  }
}

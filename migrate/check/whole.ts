import { connect } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { versionsTableName } from "../bookkeeping.ts";
import { partAtBaseline } from "../files/baseline.ts";
import type { Migration } from "../files/migrations.ts";
import { build, replay, ReplayFailure } from "../proof/replay.ts";
import { readShapes, type TableShape, withGone } from "../proof/rows_query.ts";

/**
 * What the tables come to in the end, or before they go, in a database as `up` leaves it; nothing
 * where that cannot be built, as the trip tells.
 */
export async function buildWhole(
  settings: DatabaseSettings,
  migrations: Migration[],
): Promise<TableShape[] | undefined> {
  const db = connect(settings, { session: true, deadlineMs: 120_000 });
  try {
    const { history, judged } = partAtBaseline(migrations);
    await build(db, history);
    let shapes: TableShape[] = [];
    for (const migration of judged) {
      if (/\b(drop|rename)\b/i.test(migration.up.text)) {
        shapes = withGone(await readShapes(db), shapes);
      }
      await replay(db, migration, "up");
    }
    const versions = migrations.map(({ version }) => `('${version}')`).join(", ");
    if (versions) await db.script(`insert into ${versionsTableName()} values ${versions}`);
    return withGone(await readShapes(db), shapes);
  } catch (error) {
    if (error instanceof ReplayFailure) return undefined;
    throw error;
  } finally {
    await db.close();
  }
}

import { connect, type Database } from "../../postgres/mod.ts";
import type { Parted } from "../files/baseline.ts";
import type { Migration } from "../files/migrations.ts";
import type { Scratch } from "../scratch.ts";
import { build } from "./replay.ts";

/** A scratch session on which migrations run one after another. */
export interface Stage {
  readonly db: Database;
  /** Begins anew on an empty database, with some migrations built: the others left it half-way. */
  restart(done: Parted): Promise<void>;
  /** Another session, on an empty database of its own. */
  open(): Promise<Database>;
  close(): Promise<void>;
}

/** Opens one with the history built. Throws a ReplayFailure. */
export async function openStage(scratch: Scratch, history: Migration[]): Promise<Stage> {
  let settings = await scratch.create();
  const open = () => connect(settings, { session: true, deadlineMs: 120_000 });
  let db = open();
  const stage = {
    get db() {
      return db;
    },
    async restart(done: Parted) {
      await db.close();
      settings = await scratch.renew(settings);
      db = open();
      await build(db, done);
    },
    async open() {
      return connect(await scratch.create(), { session: true, deadlineMs: 120_000 });
    },
    close: () => db.close(),
  };
  try {
    await build(db, { history, judged: [] });
  } catch (error) {
    await db.close();
    throw error;
  }
  return stage;
}

import { join } from "node:path";
import type { Database } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { createFolder, dbCommand, type Outcome, runDb, runDbmate } from "./command.ts";
import { createDatabase } from "./database.ts";
import { until } from "./pool.ts";

/** A folder of migrations and an empty database of the test's own, with the two tools for them. */
export interface Project extends AsyncDisposable {
  /** Where the migrations are. */
  dir: string;
  settings: DatabaseSettings;
  db: Database;
  write(file: string, content: string | Uint8Array): Promise<void>;
  /** Runs `deno task db`, here or elsewhere. */
  run(...args: string[]): Promise<Outcome>;
  runAt(settings: DatabaseSettings, ...args: string[]): Promise<Outcome>;
  /** Starts it and leaves it running. */
  start(...args: string[]): Deno.ChildProcess;
  /** Runs dbmate alone. */
  dbmate(...args: string[]): Promise<Outcome>;
}

export async function createProject(
  files: Record<string, string | Uint8Array> = {},
): Promise<Project> {
  const { settings, db, ...database } = await createDatabase({ empty: true });
  const folder = await createFolder(files);
  const place = { settings, folder: folder.path };
  return {
    dir: join(folder.path, "migrations"),
    settings,
    db,
    write: (file, content) => folder.write(join("migrations", file), content),
    run: (...args) => runDb(args, place),
    runAt: (settings, ...args) => runDb(args, { ...place, settings }),
    start: (...args) => dbCommand(args, place).spawn(),
    dbmate: (...args) => runDbmate(args, place),
    async [Symbol.asyncDispose]() {
      await folder[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** A statement of a migration that ends when the table `gate` has a row. */
export const waitForGate = `do $$ begin
  while not exists (select from gate) loop perform pg_sleep(0.02); end loop;
end $$;`;

/** Waits until a query finds something. */
export function untilFound(query: () => Promise<unknown[]>): Promise<void> {
  return until(async () => (await query()).length > 0);
}

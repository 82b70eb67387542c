import { join } from "node:path";
import { startEmbedded } from "../../embedded/mod.ts";
import { temporaryFolder } from "../../embedded/watchdog.ts";
import { connect, type Database } from "../../postgres/mod.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { migrate } from "../../migrate/apply/dbmate.ts";
import { childrenOf, keepPort, postmaster } from "./owner.ts";
import { root } from "./root.ts";

/** A PostgreSQL of the suite's own, which it may stop, kill and freeze. */
export interface Server extends AsyncDisposable {
  /** As the role that owns everything. */
  settings: DatabaseSettings;
  /** The same for the application's role. */
  app: DatabaseSettings;
  admin: Database;
  /** The account that it runs as, to give it a folder. */
  account(): Promise<{ uid: number | null; gid: number | null }>;
  /** As a power cut: no backend finishes anything. The next start recovers from the log. */
  crash(): Promise<void>;
  start(): Promise<void>;
  /** Stops every process of it where it is, and lets them go on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): Promise<void>;
}

/** Starts it, migrated, with the roles of db/roles.sql. */
export async function openServer(): Promise<Server> {
  // A suite that is killed leaves no data either.
  const folder = await temporaryFolder("slate-faults-");
  const dataDir = folder.path;
  await keepPort(dataDir);
  let running = await startEmbedded({ dataDir });
  const { settings } = running;
  const admin = connect(settings, { size: 2, deadlineMs: 90_000, applicationName: "faults" });
  const password = crypto.randomUUID();
  await migrate(settings);
  for (const name of ["roles", "grants"]) {
    await admin.script(await Deno.readTextFile(join(root, "db", `${name}.sql`)));
  }
  await admin.script(`alter role slate_app password '${password}'`);

  return {
    settings,
    app: { ...settings, user: "slate_app", password },
    admin,
    account: () => Deno.stat(join(dataDir, "postgres", "PG_VERSION")),
    async crash() {
      Deno.kill(await postmaster(dataDir), "SIGQUIT");
      await running.stop();
    },
    async start() {
      running = await startEmbedded({ dataDir });
    },
    async signal(signal) {
      const parent = await postmaster(dataDir);
      for (const pid of [parent, ...await childrenOf(parent)]) {
        try {
          Deno.kill(pid, signal);
        } catch (error) {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await admin.close();
      await running.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

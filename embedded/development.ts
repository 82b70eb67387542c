import { join, resolve } from "node:path";
import { role, runningEmbedded, startEmbedded } from "./mod.ts";
import type { DatabaseSettings } from "../postgres/settings.ts";

/** A database on the embedded server. Disposing stops a server that was started for it. */
export interface OpenDatabase extends AsyncDisposable {
  settings: DatabaseSettings;
  /** Who runs the server, where that is another process. */
  serverOwner?: string;
}

/**
 * The name of the database on the embedded server that the environment means, if it means one: it
 * names no database at all, or the URL that .env has for the embedded server of that folder.
 * Relative paths in it begin at `root`.
 */
export function embeddedDatabase(
  env: Record<string, string | undefined>,
  { dataDir, name, root }: { dataDir: string; name: string; root: string },
): string | undefined {
  if (!env.DATABASE_URL) return env.PGHOST ? undefined : name;
  const url = URL.parse(env.DATABASE_URL);
  const own = url?.hostname === "127.0.0.1" && url.username === role && url.password === "" &&
    !env.PGPASSWORD && env.PGPASSFILE &&
    resolve(root, env.PGPASSFILE) === join(dataDir, "pgpass");
  return own ? decodeURIComponent(url.pathname.slice(1)) || name : undefined;
}

/** Adopts the folder's server where it runs, else starts it. Throws EmbeddedError. */
export async function openEmbedded(
  dataDir: string,
  database: string,
  owner: string,
): Promise<OpenDatabase> {
  const running = await runningEmbedded(dataDir);
  if (running) {
    const holder = (await Deno.readTextFile(join(dataDir, "lock"))).trim();
    return {
      settings: { ...running, database },
      serverOwner: holder.includes(`(process ${Deno.pid})`) ? undefined : holder,
      async [Symbol.asyncDispose]() {},
    };
  }
  const server = await startEmbedded({ dataDir, owner });
  return {
    settings: { ...server.settings, database },
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

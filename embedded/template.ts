import { dirname, join } from "node:path";
import { createHash } from "node:crypto";
import { foreignOwner, succeeds } from "./account.ts";
import { initdbOptions, initialise, type Server, setPassword } from "./server.ts";

/**
 * initdb takes ten times as long as a copy of what it made. So the first ephemeral server leaves a
 * copy beside the programs, with its password, and later ones start from it. They share the
 * password; only the user who runs them can read it. Data that last get a password of their own.
 */
export function templateFolder({ bin, account }: Server): string {
  // initdb writes the time zone of the machine, or of TZ, into the configuration.
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const text = [...initdbOptions, timeZone].join();
  const kind = createHash("sha256").update(text).digest("hex").slice(0, 8);
  return `${dirname(bin)}.template-${account?.uid ?? Deno.uid()}-${kind}`;
}

/** Copies the template's data and password to the new server, where there is a template. */
export async function restoreTemplate(server: Server, dataDir: string) {
  const template = templateFolder(server);
  try {
    await Deno.copyFile(join(template, "pgpass"), join(dataDir, "pgpass"));
  } catch {
    return;
  }
  const unfinished = join(server.home, "postgres.unfinished");
  if (await copy(join(template, "postgres"), unfinished)) {
    await Deno.rename(unfinished, join(server.home, "postgres"));
  }
}

/** Makes the data of a server that has none. */
export async function begin(server: Server, dataDir: string, password: string) {
  if (!server.ephemeral && await beginFromTemplate(server, password)) return;
  await initialise(server, password);
  if (server.ephemeral) await keepTemplate(server, dataDir);
}

/**
 * Begins data that last: complete and on the disk before they have their name. False where initdb has
 * to make them: without a template, or where root would copy into a folder of somebody else.
 */
async function beginFromTemplate(server: Server, password: string): Promise<boolean> {
  const { bin, home, data, account } = server;
  const template = join(templateFolder(server), "postgres");
  if (foreignOwner(home) || !await Deno.stat(template).catch(() => undefined)) return false;
  const unfinished = join(home, "postgres.unfinished");
  await Deno.remove(unfinished, { recursive: true }).catch(() => {});
  const isComplete = await copy(template, unfinished) &&
    await setPassword(server, unfinished, password) &&
    await succeeds(join(bin, "initdb"), ["--sync-only", "-D", unfinished], account);
  if (isComplete) await Deno.rename(unfinished, data);
  return isComplete;
}

/** Keeps what initdb has made, before a server uses it. Where that fails there is no template. */
async function keepTemplate(server: Server, dataDir: string) {
  const template = templateFolder(server);
  const unfinished = `${template}.unfinished`;
  try {
    using lock = await Deno.open(`${template}.lock`, { create: true, write: true });
    if (!await lock.tryLock(true)) return;
    // What a process that was killed half-way has left.
    await Deno.remove(unfinished, { recursive: true }).catch(() => {});
    await Deno.mkdir(unfinished, { mode: 0o700 });
    await Deno.copyFile(join(dataDir, "pgpass"), join(unfinished, "pgpass"));
    if (await copy(server.data, join(unfinished, "postgres"))) {
      await Deno.rename(unfinished, template);
    }
  } catch {
    // The folder may not be written, or another has the template ready.
  }
}

/** Copies with owners and modes, which PostgreSQL checks. */
async function copy(from: string, to: string): Promise<boolean> {
  return await succeeds("cp", ["-Rp", from, to]);
}

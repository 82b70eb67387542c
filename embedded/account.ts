import { dirname, join } from "node:path";
import { EmbeddedError } from "./error.ts";

/** The unprivileged account that PostgreSQL runs as when we are root, which it refuses to be. */
export interface Account {
  uid: number;
  gid: number;
}

/** Where root's servers live when nobody but root may enter the folder that was asked for. */
export const shared = "/var/lib/slate";

/** The account for the data in this folder: its owner where there is one, else nobody. */
export async function serverAccount(data: string): Promise<Account | undefined> {
  if (Deno.uid() !== 0) return undefined;
  const owner = await Deno.stat(data).catch(() => undefined);
  if (owner?.uid) return { uid: owner.uid, gid: owner.gid! };
  const lines = (await Deno.readTextFile("/etc/passwd")).split("\n");
  const nobody = lines.find((line) => line.startsWith("nobody:"));
  if (nobody) {
    const [, , uid, gid] = nobody.split(":");
    return { uid: Number(uid), gid: Number(gid) };
  }
  throw new EmbeddedError(
    "PostgreSQL refuses to run as root, and there is no account `nobody` to run it as: start this as an ordinary user",
  );
}

/** Whether the command exits 0, run by the account, who needs to be let into every folder above. */
export async function succeeds(command: string, args: string[], account?: Account) {
  const child = new Deno.Command(command, {
    args,
    cwd: "/",
    stdin: "null",
    stdout: "null",
    stderr: "null",
    ...account,
  });
  try {
    return (await child.output()).success;
  } catch {
    return false;
  }
}

/**
 * The folder that holds PGDATA, writable by the account. As root inside a folder that only root may
 * enter, it is one under /var/lib/slate, and the name `postgres` in the data folder is a link to it.
 */
export async function homeOf(dataDir: string, account: Account | undefined): Promise<string> {
  if (!account) return dataDir;
  const data = join(dataDir, "postgres");
  const linked = await Deno.readLink(data).catch(() => undefined);
  if (!linked) {
    if ((await Deno.stat(dataDir)).uid === 0) {
      await Deno.chmod(dataDir, 0o711);
      await Deno.chown(dataDir, account.uid, account.gid);
    }
    if (await succeeds("test", ["-x", dataDir], account)) return dataDir;
    if (await Deno.stat(data).then(() => true, () => false)) {
      throw new EmbeddedError(
        `${data} cannot be entered by the account that owns it any more: give the folders above it back their x permission`,
      );
    }
  }
  const homes = join(shared, "data");
  const home = linked ? dirname(linked) : join(homes, crypto.randomUUID());
  for (const folder of [shared, homes, home]) {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.chmod(folder, folder === home ? 0o700 : 0o755);
    // So that an ephemeral server can remove its home as well.
    if (folder !== shared) await Deno.chown(folder, account.uid, account.gid);
  }
  if (!linked) await Deno.symlink(join(home, "postgres"), data);
  return home;
}

/** Removes a server's data folder, and the home that its link leads to. It need not be there. */
export async function removeData(dataDir: string) {
  const data = await Deno.readLink(join(dataDir, "postgres")).catch(() => undefined);
  for (const folder of data ? [dirname(data), dataDir] : [dataDir]) {
    await Deno.remove(folder, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

import { dirname, isAbsolute, join, resolve } from "node:path";
import { EmbeddedError } from "./error.ts";

/** The unprivileged account that PostgreSQL runs as when we are root, which it refuses to be. */
export interface Account {
  uid: number;
  gid: number;
}

/** Where root's servers live when nobody but root may enter the folder that was asked for. */
export const shared = "/var/lib/slate";

/** The homes there, one for each data folder that only root may enter. */
export const homes = join(shared, "data");

/** The account for the data in this folder: who can change the folder, the data's owner, or nobody. */
export async function serverAccount(dataDir: string): Promise<Account | undefined> {
  if (!isRoot()) return undefined;
  const owner = foreignOwner(dataDir) ?? ownerOf(join(dataDir, "postgres"));
  if (owner) return owner;
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

/** Who may not ask is not root: the container, which has no right to. */
function isRoot(): boolean {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "uid" });
  return state === "granted" && Deno.uid() === 0;
}

const known = new Map<number, boolean>();

/**
 * Whether there is such an account. A mounted checkout may belong to a number that is none here:
 * nobody can act as it, and PostgreSQL refuses to run as it.
 */
function isKnown(uid: number): boolean {
  if (!known.has(uid)) {
    const { success } = new Deno.Command("id", { args: ["-nu", `${uid}`] }).outputSync();
    known.set(uid, success);
  }
  return known.get(uid)!;
}

/** Whose the path is where that is not root; of a link first its own owner. */
function ownerOf(path: string): Account | undefined {
  for (const look of [Deno.lstatSync, Deno.statSync]) {
    try {
      const { uid, gid } = look(path);
      if (uid && isKnown(uid)) return { uid, gid: gid! };
    } catch {
      return undefined;
    }
  }
}

/**
 * Runs a shell's script in a folder, `$1` being a path in it; root does so as the folder's owner, or as
 * the owner of one above it, who can put a link to anything there at any time. Throws what the script
 * says.
 */
export async function runBeside(path: string, script: string, input = "") {
  await runAs(foreignOwner(dirname(path)), path, script, input);
}

async function runAs(account: Account | undefined, path: string, script: string, input: string) {
  const child = new Deno.Command("sh", {
    args: ["-euc", script, "sh", path],
    cwd: "/",
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
    ...account,
  }).spawn();
  await feed(child, input);
  const { success, stderr } = await child.output();
  if (success) return;
  const by = account ? ` (as the account ${account.uid}, because its folders are not root's)` : "";
  throw new EmbeddedError(
    `${dirname(path)}${by}: ${new TextDecoder().decode(stderr).trim()}`,
  );
}

/** Writes the whole input of a process, which may end without having read it. */
async function feed({ stdin }: Deno.ChildProcess, input: string) {
  const writer = stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
}

/**
 * Writes a file of a project. Root does so as who could put a link to another file there. The mode is
 * set before the text is there, also that of a file which was there before.
 */
export async function writeProjectFile(path: string, text: string, mode?: number) {
  const account = isRoot() ? ownerOnTheWay(dirname(path)) : undefined;
  if (account) {
    const setMode = mode === undefined ? "" : `: >> "$1"; chmod ${mode.toString(8)} "$1";`;
    return await runAs(account, path, `${setMode} cat > "$1"`, text);
  }
  if (mode !== undefined && Deno.build.os !== "windows") {
    await Deno.chmod(path, mode).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  await Deno.writeTextFile(path, text, { mode });
}

/** Writes a file that nobody else may read, complete or not at all. */
export async function writeBeside(path: string, text: string) {
  await runBeside(path, 'umask 077; cat > "$1.new"; mv -f "$1.new" "$1"', text);
}

/** Opens a file for its lock, made if missing. Throws where it is a link to somebody else's. */
export async function openLock(path: string): Promise<Deno.FsFile> {
  await runBeside(path, 'umask 077; : >> "$1"');
  const file = await Deno.open(path, { read: true });
  const owner = foreignOwner(dirname(path));
  if (!owner || (await file.stat()).uid === owner.uid) return file;
  file.close();
  throw new EmbeddedError(`${path} is not its folder's owner's: remove it`);
}

/** Who else can change what is in the folder, or put another in its place, if we are root. */
export function foreignOwner(folder: string): Account | undefined {
  return isRoot() ? ownerOf(folder) ?? ownerOnTheWay(folder) : undefined;
}

/**
 * The first owner on the way to the folder who is not root, links included. Nobody else comes past a
 * folder that only root may enter.
 */
function ownerOnTheWay(folder: string): Account | undefined {
  const namesOf = (path: string) => path.split("/").filter(Boolean);
  const names = namesOf(folder);
  let at = "/";
  // A bound, because links can go round in a circle.
  for (let step = 0; names.length > 0 && step < 1000; step++) {
    const next = resolve(at, names.shift()!);
    let info;
    try {
      info = Deno.lstatSync(next);
    } catch {
      return undefined;
    }
    if (info.uid && isKnown(info.uid)) return { uid: info.uid, gid: info.gid! };
    if (info.isSymlink) {
      const target = Deno.readLinkSync(next);
      if (isAbsolute(target)) at = "/";
      names.unshift(...namesOf(target));
    } else if ((info.mode! & 0o011) === 0) return undefined;
    else at = next;
  }
}

/**
 * Gives the account a new file or folder in one of root's. Nobody else can have put another in its
 * place meanwhile, and a link is refused.
 */
export function give(path: string, account: Account | undefined) {
  if (!account || foreignOwner(dirname(path))) return;
  const { isSymlink, nlink, isFile } = Deno.lstatSync(path);
  if (isSymlink || isFile && nlink !== 1) {
    throw new EmbeddedError(`${path} is a link, which this does not follow as root: remove it`);
  }
  Deno.chownSync(path, account.uid, account.gid);
}

/** Whether the command exits 0, run by the account, who needs to be let into every folder above. */
export async function succeeds(command: string, args: string[], account?: Account, input = "") {
  try {
    const child = new Deno.Command(command, {
      args,
      cwd: "/",
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      ...account,
    }).spawn();
    await feed(child, input);
    return (await child.status).success;
  } catch {
    return false;
  }
}

/**
 * The folder that holds PGDATA, which alone is the account's: root's own files beside it stay root's.
 * As root inside a folder that only root may enter, it is one under /var/lib/slate, and the name
 * `postgres` in the data folder is a link to it.
 */
export async function homeOf(dataDir: string, account: Account | undefined): Promise<string> {
  if (!account || foreignOwner(dataDir)) return dataDir;
  const data = join(dataDir, "postgres");
  const linked = homeBehind(dataDir);
  if (!linked) {
    await Deno.chmod(dataDir, 0o711);
    if (await succeeds("test", ["-x", dataDir], account)) return dataDir;
    if (await Deno.lstat(data).then(() => true, () => false)) {
      throw new EmbeddedError(
        `${data} cannot be entered by the account that owns it any more: give the folders above it back their x permission`,
      );
    }
  }
  const home = linked ?? join(homes, crypto.randomUUID());
  // First of all: who cleans up after us finds the home by it.
  if (!linked) await Deno.symlink(join(home, "postgres"), data);
  // From the top down: what is in a folder of root's is nobody else's to change.
  for (const folder of [shared, homes, home]) {
    await Deno.mkdir(folder, { recursive: true });
    if ((await Deno.lstat(folder)).isSymlink) {
      throw new EmbeddedError(`${folder} is a link, which this does not follow as root: remove it`);
    }
    await Deno.chown(folder, 0, 0);
    await Deno.chmod(folder, folder === home ? 0o711 : 0o755);
  }
  return home;
}

/** The home to which root has linked from the folder, if it has. */
function homeBehind(dataDir: string): string | undefined {
  try {
    const home = dirname(Deno.readLinkSync(join(dataDir, "postgres")));
    return dirname(home) === homes && !foreignOwner(dataDir) ? home : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Makes a folder root's again that it once gave away with everything in it: the password there is
 * root's own file. What its account may have linked from there is removed.
 */
export function takeBack(dataDir: string) {
  if (!isRoot() || !ownerOf(dataDir) || foreignOwner(dirname(dataDir))) return;
  try {
    const { uid, isFile, nlink } = Deno.lstatSync(join(dataDir, "pgpass"));
    if (uid !== 0 || !isFile || nlink !== 1) return;
  } catch {
    return;
  }
  Deno.chownSync(dataDir, 0, 0);
  for (const { name } of Deno.readDirSync(dataDir)) {
    const { isSymlink, isFile, nlink } = Deno.lstatSync(join(dataDir, name));
    if (isSymlink || isFile && nlink !== 1) Deno.removeSync(join(dataDir, name));
  }
}

/** Removes a server's data folder, and the home that its link leads to. It need not be there. */
export async function removeData(dataDir: string) {
  const home = homeBehind(dataDir);
  for (const folder of home ? [home, dataDir] : [dataDir]) {
    await Deno.remove(folder, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

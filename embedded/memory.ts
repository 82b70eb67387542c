import { statfs } from "node:fs/promises";

const memory = "/dev/shm";

/**
 * The folder in memory, where at least so many bytes are free there; a disk takes several times as
 * long for the thousands of files that come and go with a schema. TMPDIR has precedence. For
 * programs as well it has to allow them, which a container's does not always.
 */
export async function folderInMemory(
  bytes: number,
  { programs = false } = {},
): Promise<string | undefined> {
  if (Deno.env.get("TMPDIR")) return undefined;
  const free = await statfs(memory).then(({ bavail, bsize }) => bavail * bsize, () => 0);
  if (free < bytes || programs && await refusesPrograms()) return undefined;
  return memory;
}

/** A line of the table: `tmpfs /dev/shm tmpfs rw,nosuid,nodev,noexec 0 0`. */
async function refusesPrograms(): Promise<boolean> {
  const mounts = await Deno.readTextFile("/proc/mounts").catch(() => "");
  const options = mounts.split("\n").map((line) => line.split(" "))
    .find(([, folder]) => folder === memory)?.[3];
  return options === undefined || options.split(",").includes("noexec");
}

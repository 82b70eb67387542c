import { join } from "node:path";
import { removeData } from "../../embedded/account.ts";

/** Removes a test's folder; a server whose data folder is in it may keep its home elsewhere. */
export async function removeFolder(path: string) {
  for (const { name, isDirectory } of Array.from(Deno.readDirSync(path))) {
    if (isDirectory) await removeData(join(path, name));
  }
  await Deno.remove(path, { recursive: true });
}

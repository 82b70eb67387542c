import { join } from "node:path";
import { root } from "./root.ts";

/** The client as one file of JavaScript, as its users' bundlers make it. */
export async function bundleClient(): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "slate.js");
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--platform=browser", "--quiet", `--output=${path}`, "client/mod.ts"],
      cwd: root,
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return await Deno.readTextFile(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

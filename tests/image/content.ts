/** What is in the image, looked at from outside. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { root } from "../support/root.ts";
import { run } from "./buildah.ts";
import type { Check } from "./catalogue.ts";
import { accountOf } from "./container.ts";

/** MB that may be ours: the tests' packages would make it 44, an embedded PostgreSQL 84. */
const ownLimit = 30;

const mb = (bytes: number) => Math.round(bytes / 1e6);

export const content: Check[] = [
  {
    name: "size",
    run({ image: { size, bases, standIns } }) {
      const parts = [...bases].map(([name, bytes]) => `${mb(bytes)} ${name}`);
      const own = size - bases.values().reduce((sum, bytes) => sum + bytes, 0);
      assert(mb(own) <= ownLimit, `${mb(own)} MB are our own`);
      const where = standIns ? "stand-ins" : "from their registry";
      return `${mb(size)} MB: ${parts.join(", ")} (${where}), ${mb(own)} Slate`;
    },
  },
  {
    name: "files",
    async run({ image: { files } }) {
      const ignored = await Deno.readTextFile(join(root, ".dockerignore"));
      const wanted = Array.from(ignored.matchAll(/^!(.*)$/gm), ([, name]) => name!).sort();
      const found = Array.from(Deno.readDirSync(join(files, "app")), ({ name }) => name).sort();
      assertEquals(found, wanted);
      const cache = join(files, "var/cache/deno");
      const types = ["*.ts", "*.cts", "*.mts", "*.map"];
      const patterns = [...types, "*.node", "dbmate", "postgres", "squawk"];
      const names = patterns.flatMap((pattern) => ["-o", "-name", pattern]).slice(1);
      const useless = await run("find", [join(cache, "npm"), "-type", "f", "(", ...names, ")"]);
      assertEquals(useless, "", "types, maps or programs in the cache");
      return `/app has ${found.join(", ")}; no test, no type, no program of npm`;
    },
  },
  {
    name: "owner",
    async run({ image }) {
      const account = await accountOf(image);
      assert(account > 0);
      const folders = ["app", "var/cache/deno", "usr/local/bin"].map((name) =>
        join(image.files, name)
      );
      const loose = ["-not", "-user", "root", "-o", "-perm", "/6022", "-not", "-type", "l"];
      assertEquals(
        await run("find", [...folders, ...loose]),
        "",
        "others may write or become root",
      );
      return `the code, what was compiled of it and dbmate are root's; ${image.config.User} is ${account}`;
    },
  },
];

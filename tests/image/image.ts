/**
 * `deno task test:image`: the image, built from the Dockerfile and tried as containers of it beside
 * a PostgreSQL of this run's own. Needs Linux and root; buildah and debootstrap it installs where
 * apt-get is. Where no registry of images is in reach, the bases are stand-ins made by debootstrap.
 * A word of a check's name as argument runs those only. About 2 minutes; the last line is
 * `N passed, N failed`.
 */
import { databaseUrl } from "../../postgres/settings.ts";
import { openServer } from "../support/server.ts";
import { buildImage, toolsMissing } from "./buildah.ts";
import { checks } from "./catalogue.ts";

const missing = await toolsMissing();
if (missing) {
  console.error(missing);
  Deno.exit(1);
}
const wanted = checks.filter(({ name }) => Deno.args.every((word) => name.includes(word)));
const width = Math.max(...wanted.map(({ name }) => name.length));
let failed = 0;
let stopped = false;
// What is under way gets the signal as well and fails; then all of it is removed.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => stopped = true);
}
{
  await using image = await buildImage();
  await using server = await openServer();
  // Where createDatabase() makes the databases of the containers.
  Deno.env.set("TEST_SERVER", databaseUrl(server.settings));
  for (const { name, run } of wanted) {
    if (stopped) break;
    try {
      const seen = await run({ image, server });
      seen.split("\n").forEach((line, i) => console.log((i ? "" : name).padEnd(width), "", line));
    } catch (error) {
      failed++;
      console.log(name.padEnd(width), " wrong:", (error as Error).message);
    }
  }
}
if (stopped) Deno.exit(130);
console.log(`${wanted.length - failed} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);

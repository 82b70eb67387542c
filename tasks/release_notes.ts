import { root } from "./root.ts";

/**
 * The changelog's section of a version such as 1.2.3. Throws where there is none with a date, or
 * where the API's document says another version.
 */
export function notesOf(version: string, changelog: string, documented: string): string {
  const section = changelog.split(/^## /m).slice(1)
    .find((section) => section.split(/[,\n]/)[0] === version);
  if (!section) throw new Error(`CHANGELOG.md has no section "## ${version}, <date>": add it`);
  if (!/^\S+, \d{4}-\d\d-\d\d\n/.test(section)) {
    throw new Error(`CHANGELOG.md gives ${version} no date: write "## ${version}, <yyyy-mm-dd>"`);
  }
  if (documented !== version) {
    throw new Error(
      `openapi.json says ${documented}: set apiVersion in routes/docs.ts to ${version} and run \`deno task openapi\``,
    );
  }
  return section.slice(section.indexOf("\n")).trim();
}

if (import.meta.main) {
  const [changelog, document] = await Promise.all(
    ["CHANGELOG.md", "openapi.json"].map((name) => Deno.readTextFile(`${root}/${name}`)),
  );
  try {
    const version = (Deno.args[0] ?? "").replace(/^v/, "");
    console.log(notesOf(version, changelog!, JSON.parse(document!).info.version));
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(1);
  }
}

/** Writes README.md beside it: `deno run -RW migrate/catalog/readme.ts`. A test holds it. */
import { leftOutColumns, leftOutOtherwise, leftOutTables } from "./left_out.ts";

/** The README of this room: what a comparison of two databases leaves out, and why. */
export function readme(): string {
  return `# What is compared

Two databases are equal when their catalogs are: every row and every column of pg_catalog, with names
in place of numbers, but for what stands here. PostgreSQL says itself which tables and columns there
are and how they hang together, so a kind of object that nobody thought of is compared as well, and so
is what a later version adds. \`drift\`, \`check\`, \`squash\`, \`stamp\`, and the proofs of \`diff\` and
\`schema\` use this one comparison.

The text of an expression is compared after one server has printed both, since PostgreSQL's own text
is no fixed point and each version prints some in its own way.

## Tables that are left out

${list(leftOutTables)}

## Columns that are left out

${list(leftOutColumns)}

## Rows and values that are left out

${Object.entries(leftOutOtherwise).map(([what, why]) => `- ${what}: ${why}`).join("\n")}
`;
}

/** One line a reason, in the order in which they stand. */
function list(entries: Record<string, string>): string {
  const reasons = Map.groupBy(Object.entries(entries), ([, reason]) => reason);
  return [...reasons].map(([reason, names]) =>
    `- ${names.map(([name]) => `\`${name}\``).join(", ")}: ${reason}`
  ).join("\n");
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL("README.md", import.meta.url), readme());
}

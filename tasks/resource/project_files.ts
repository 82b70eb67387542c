import { join } from "node:path";
import type { Names } from "./names.ts";
import type { Meaning } from "./problems.ts";
import { ResourceError } from "./table.ts";

/*
 * The lines that a resource adds to files that are there: where it is mounted, what its constraints
 * mean, what the application may do. Each finds its place by the lines around it, which every
 * checkout has; where somebody has moved them, it says what to write by hand.
 */

/** A file, as it is and as it will be. */
export interface Edit {
  path: string;
  text: string;
}

/** The edits of the project at `root`. Throws a ResourceError where a place is not found. */
export async function projectEdits(
  root: string,
  names: Names,
  meanings: Meaning[],
): Promise<Edit[]> {
  const edit = async (path: string, change: (text: string) => string) => ({
    path,
    text: change(await Deno.readTextFile(join(root, path))),
  });
  const { table, one, Many, manyWords } = names;
  const router = `${one}Routes`;
  return [
    await edit("routes/mod.ts", (text) => {
      const imported = beside(text, "routes/mod.ts", {
        line: `import { ${router} } from "./${table}.ts";`,
        after: /^import \{ (?!create|type)\w+ \} from "\.\/[a-z].*;$/gm,
      });
      return beside(imported, "routes/mod.ts", {
        line: `  app.route("/", ${router}(deps));`,
        after: /^ {2}app\.route\("\/", \w+Routes\(deps\)\);$/gm,
      });
    }),
    await edit("routes/docs.ts", (text) =>
      beside(text, "routes/docs.ts", {
        line: `  ${Many}: "Your ${manyWords}.",`,
        after: /^ {2}Students: .*$/gm,
      })),
    await edit("db/grants.sql", (text) =>
      beside(text, "db/grants.sql", {
        line: `grant select, insert, update, delete on ${table} to slate_app;`,
        after: /^grant select, insert, update, delete on \w+ to slate_app;$/gm,
      })),
    await edit("routes/_problem.ts", (text) => withMeanings(text, meanings)),
  ];
}

function withMeanings(text: string, meanings: Meaning[]): string {
  let edited = text;
  // One that has been worded already stays as it is.
  const isThere = (name: string) => new RegExp(`^ {2}${name}: `, "m").test(edited);
  for (const { code, status, title, constraint, field, detail } of meanings) {
    if (!isThere(code)) {
      edited = beside(edited, "routes/_problem.ts", {
        line: `  ${code}: [${status}, "${title}"],`,
        after: new RegExp(`^ {2}\\w+: \\[${status}, .*\\],$`, "gm"),
      });
    }
    if (!isThere(constraint)) {
      edited = beside(edited, "routes/_problem.ts", {
        line: `  ${constraint}: ["${code}", "${field}", "${detail}"],`,
        after: /^ {2}\w+_(key|fkey|check|excl): \[.*\],$/gm,
      });
    }
  }
  return edited;
}

/** The text with a line more, behind the last line that matches; as it is where it has that line. */
function beside(text: string, path: string, { line, after }: { line: string; after: RegExp }) {
  if (text.split("\n").includes(line)) return text;
  const last = [...text.matchAll(after)].at(-1);
  if (!last) {
    throw new ResourceError(
      `${path} has no place for this line, so nothing was written: ${line.trim()}`,
    );
  }
  const end = last.index + last[0].length;
  return `${text.slice(0, end)}\n${line}${text.slice(end)}`;
}

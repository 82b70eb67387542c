import { dirname, join, resolve } from "node:path";
import { writeProjectFile } from "../../embedded/account.ts";
import { connect } from "../../postgres/mod.ts";
import { describeDifferences } from "../catalog/catalog.ts";
import { compareDatabases } from "../catalog/normalize.ts";
import { Failure } from "../command.ts";
import { diagram } from "./diagram.ts";
import type { Parted } from "../files/baseline.ts";
import { migrationsDir, shownPath } from "../files/migrations.ts";
import { build } from "../proof/replay.ts";
import { loadSchema } from "./load.ts";
import { schemaText } from "./text.ts";
import { environment, project } from "../project.ts";
import type { Scratch } from "../scratch.ts";

/** A file that is written from the migrations, as it ought to be. */
export interface Generated {
  path: string;
  text: string;
}

/** The place of the diagram, with whatever the opening comment says behind the word. */
const place = /(<!-- er-diagram\b[^>]*-->)[^]*?(<!-- \/er-diagram -->)/;

/** Where the schema is written, as by dbmate: db/schema.sql wherever the migrations are. */
export function schemaFile(): string {
  return resolve(project.root, environment().DBMATE_SCHEMA_FILE || join("db", "schema.sql"));
}

/**
 * schema.sql, and the README beside it where it has a place for the diagram. Proven: the schema's
 * text, loaded into an empty database, gives the catalogs of the migrations. Throws a Failure that
 * names what the text cannot say.
 */
export async function generate(scratch: Scratch, migrations: Parted): Promise<Generated[]> {
  const built = connect(await scratch.create(), { session: true, deadlineMs: 120_000 });
  const loaded = connect(await scratch.create(), { session: true, deadlineMs: 120_000 });
  try {
    await build(built, migrations);
    const text = await schemaText(built);
    await loadSchema(loaded, text);
    const differences = await compareDatabases(built, built, loaded);
    if (differences.length > 0) {
      throw new Failure(
        `schema.sql cannot say what the migrations build:\n${
          describeDifferences(differences, { expected: "the migrations", found: "schema.sql" })
        }`,
      );
    }
    const readme = join(migrationsDir(), "..", "README.md");
    const around = await readIfThere(readme) ?? "";
    const picture = place.test(around) ? await diagram(built) : "";
    const diagrams = picture === "" ? [] : [{
      path: readme,
      text: around.replace(
        place,
        (_, begin, end) => `${begin}\n\n\`\`\`mermaid\n${picture}\n\`\`\`\n\n${end}`,
      ),
    }];
    return [{ path: schemaFile(), text }, ...diagrams];
  } finally {
    await built.close();
    await loaded.close();
  }
}

/** Writes what is stale. Returns the paths that were. */
export async function writeGenerated(files: Generated[]): Promise<string[]> {
  const written: string[] = [];
  for (const { path, text } of files) {
    if (await readIfThere(path) === text) continue;
    await Deno.mkdir(dirname(path), { recursive: true });
    await writeProjectFile(path, text);
    written.push(shownPath(path));
  }
  return written;
}

/** A file's text with line feeds only, so that a checkout with Windows line ends is not stale. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return (await Deno.readTextFile(path)).replaceAll("\r\n", "\n");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

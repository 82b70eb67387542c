import { connect, DatabaseError } from "../../postgres/mod.ts";
import { explained } from "../advice.ts";
import { describeDifferences } from "../catalog/catalog.ts";
import { compareDatabases } from "../catalog/normalize.ts";
import { Failure } from "../command.ts";
import type { Parted } from "../files/baseline.ts";
import { shownPath } from "../files/migrations.ts";
import type { Finding } from "../finding.ts";
import { project } from "../project.ts";
import { build, ReplayFailure } from "../proof/replay.ts";
import { levelOf } from "../rules.ts";
import { generate, readIfThere, schemaFile } from "../schema/generated.ts";
import { loadSchema, refusedLine, withoutPsql } from "../schema/load.ts";
import type { Scratch } from "../scratch.ts";

/** The schema file without psql's own commands, which pg_dump writes; undefined where there is none. */
async function readSchemaFile(): Promise<string | undefined> {
  const text = await readIfThere(schemaFile());
  return text === undefined ? undefined : withoutPsql(text);
}

/**
 * Whether schema.sql, the project's own or dbmate's, builds what the migrations build; where the
 * project wants that, whether it is written as the command writes it.
 */
export async function checkSchemaFile(
  scratch: Scratch,
  migrations: Parted,
): Promise<Finding[]> {
  const path = shownPath(schemaFile());
  const text = await readSchemaFile();
  const dumped = text !== undefined && /^-- PostgreSQL database dump/m.test(text);
  const written = dumped ? "`dbmate up` dumps it again" : `run \`${project.command} schema\``;
  const remedy = `${written}; or, if the file is what you want, ` +
    `\`${project.command} diff <name>\` drafts the migration to it`;
  try {
    if (text === undefined) {
      const message = "is not there";
      return [{ path, line: 0, rule: "schema-file-missing", message, remedy }];
    }
    if (levelOf("schema-text", project.config) !== "off") {
      return await staleFiles(scratch, migrations, remedy);
    }
    const differences = await compare(scratch, migrations, text);
    if (differences === "") return [];
    const message = `is not what the migrations build:\n${differences}`;
    return [{ path, line: 0, rule: "schema-file", message, remedy }];
  } catch (error) {
    // The round trip tells it.
    if (error instanceof ReplayFailure) return [];
    if (error instanceof Unloadable) {
      const message = `cannot be loaded: ${explained(error.cause)}`;
      return [{ path, line: error.line, rule: "schema-file", message, remedy }];
    }
    if (!(error instanceof Failure)) throw error;
    return [{ path, line: 0, rule: "schema-file", message: error.message, remedy }];
  }
}

/** A schema file that PostgreSQL refuses. */
class Unloadable extends Error {
  override name = "Unloadable";
  constructor(readonly line: number, override readonly cause: DatabaseError) {
    super(cause.message);
  }
}

async function compare(scratch: Scratch, migrations: Parted, text: string): Promise<string> {
  const open = async () => connect(await scratch.create(), { session: true, deadlineMs: 120_000 });
  const [built, loaded] = [await open(), await open()];
  try {
    await build(built, migrations);
    await loadSchema(loaded, text).catch(async (error) => {
      if (!(error instanceof DatabaseError)) throw error;
      throw new Unloadable(await refusedLine(loaded, text, error), error);
    });
    const differences = (await compareDatabases(built, built, loaded))
      .filter(({ kind }) => kind !== "column order");
    return describeDifferences(differences, { expected: "the migrations", found: "the file" })
      .replaceAll(/^/gm, "  ").trimEnd();
  } finally {
    await built.close();
    await loaded.close();
  }
}

/** Generated files that are not what the command would write. */
async function staleFiles(
  scratch: Scratch,
  migrations: Parted,
  remedy: string,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { path, text } of await generate(scratch, migrations)) {
    const found = await readIfThere(path);
    if (found === text) continue;
    const lines = text.split("\n");
    findings.push({
      path: shownPath(path),
      line: (found ?? "").split("\n").findIndex((line, i) => line !== lines[i]) + 1,
      rule: path === schemaFile() ? "schema-text" : "generated-file",
      message: "is not what the migrations build",
      remedy,
    });
  }
  return findings;
}

import { GrammarError, parseBlock, type ParsedStatement } from "../files/grammar.ts";
import type { Migration } from "../files/migrations.ts";

/** A name as a parse tree has it. */
interface Relation {
  schemaname?: string;
  relname: string;
  relpersistence?: string;
}

/**
 * The lines of the statements that only touch tables which the same file makes: nobody uses these
 * yet. An index on such a table is as new. `home` is the schema of an unqualified name.
 */
export async function onOwnTables(
  { up }: Pick<Migration, "up">,
  home: string,
): Promise<{ from: number; to: number }[]> {
  const made = new Set<string>();
  const places: { from: number; to: number }[] = [];
  let schema = home;
  const key = ({ schemaname, relname, relpersistence }: Relation) => {
    const hidden = relpersistence === "t" || !schemaname && made.has(`pg_temp.${relname}`);
    return `${hidden ? "pg_temp" : schemaname ?? schema}.${relname}`;
  };
  try {
    for (const statement of await parseBlock(up)) {
      const { kind, fields, text, line } = statement;
      schema = setSchema(statement, home) ?? schema;
      const relation: Relation | undefined = fields.relation ??
        (fields.into ?? fields.intoClause)?.rel;
      if (/^(CreateStmt|CreateTableAsStmt|SelectStmt)$/.test(kind)) {
        if (relation) made.add(key(relation));
        continue;
      }
      const touched = relation ? [relation] : dropped(fields);
      if (touched.length === 0 || !touched.every((name) => made.has(key(name)))) continue;
      places.push({ from: line, to: line + text.split("\n").length - 1 });
      for (const name of touched) {
        const moved = movedTo(kind, fields, name);
        if (moved) made.add(key(moved));
        if (kind === "DropStmt") made.delete(key(name));
      }
    }
  } catch (error) {
    // What PostgreSQL does not parse is told elsewhere.
    if (!(error instanceof GrammarError)) throw error;
  }
  return places;
}

/** The schema that unqualified names mean from here on, where the statement says so. */
function setSchema(
  { kind, fields }: ParsedStatement,
  home: string,
): string | undefined {
  if (kind !== "VariableSetStmt" || fields.name !== "search_path") return;
  return fields.args?.[0]?.A_Const?.sval?.sval ?? home;
}

/** What is new by what a statement does to a table of this file: its index, its other name. */
function movedTo(
  kind: string,
  { idxname, newname, newschema, renameType }: ParsedStatement["fields"],
  name: Relation,
): Relation | undefined {
  if (kind === "IndexStmt" && idxname) return { ...name, relname: idxname };
  if (kind === "RenameStmt" && /^OBJECT_(TABLE|MATVIEW|INDEX)$/.test(renameType)) {
    return { ...name, relname: newname };
  }
  if (kind === "AlterObjectSchemaStmt") return { ...name, schemaname: newschema };
}

/** The relations that a `drop` names. */
function dropped({ objects }: ParsedStatement["fields"]): Relation[] {
  const names: { List?: { items: { String?: { sval: string } }[] } }[] = objects ?? [];
  return names.map(({ List }) => {
    const parts = (List?.items ?? []).map(({ String: part }) => part?.sval ?? "");
    return { schemaname: parts.at(-2), relname: parts.at(-1) ?? "" };
  });
}

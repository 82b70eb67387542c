import type { CatalogObject } from "../catalog/definitions.ts";
import { parseBlock } from "../files/grammar.ts";
import { inParentheses } from "../files/sql_text.ts";
import { asText, columnOf, type Earlier, expressionOf, named, quoted, tableOf } from "./earlier.ts";
import { ofConstraint, ofIndex } from "./stopping_rules.ts";
import { ofBounds, ofType } from "./stopping_types.ts";

/**
 * Queries for the rows at which statements would stop: PostgreSQL takes a `set not null`, a key, a
 * check, an exclusion or a reference only where all rows keep it. Each names rows as they are, and
 * what they are in is called, before the statements run, so that they can be found and mended first.
 * Of each part of a draft its own. `keywords` are no names without quotes.
 */
export async function stoppingRows(
  parts: string[][],
  from: CatalogObject[],
  to: CatalogObject[],
  keywords: Set<string>,
): Promise<string[][]> {
  const earlier: Earlier = {
    objects: from,
    keywords,
    made: new Set(),
    retyped: new Set(),
    renamed: new Map(),
  };
  const found: string[][] = [];
  for (const statements of parts) {
    const queries: (string | undefined)[] = [];
    for (const statement of statements) queries.push(...await ofStatement(earlier, statement, to));
    found.push([...new Set(queries.filter((query) => query !== undefined))]);
  }
  return found;
}

async function ofStatement(
  earlier: Earlier,
  statement: string,
  to: CatalogObject[],
): Promise<(string | undefined)[]> {
  const queries: (string | undefined)[] = [];
  for (const { kind, fields, text } of await parseBlock({ text: statement, line: 1 })) {
    note(earlier, kind, fields);
    if (kind === "AlterTableStmt") queries.push(...await ofTable(earlier, fields, statement, to));
    if (kind === "AlterDomainStmt") queries.push(...ofDomain(earlier, fields, text));
    if (kind === "AlterSeqStmt") {
      queries.push(ofBounds(earlier, asText(named(earlier, fields.sequence)), fields.options));
    }
    // On a partitioned table alone it looks at no rows.
    if (kind === "IndexStmt" && fields.unique && fields.relation.inh) {
      queries.push(ofIndex(earlier, fields, text));
    }
  }
  return queries;
}

/** What a statement makes, and what it gives another name. */
// deno-lint-ignore no-explicit-any -- a parse tree
function note(earlier: Earlier, kind: string, fields: any) {
  const { made, renamed } = earlier;
  switch (kind) {
    case "CreateStmt":
      made.add(named(earlier, fields.relation));
      break;
    case "CreateTableAsStmt":
      made.add(named(earlier, fields.into.rel));
      break;
    case "CreateFunctionStmt":
      made.add(`${quoted(earlier, fields.funcname.at(-1).String.sval)}()`);
      break;
    case "CreateEnumStmt":
    case "CreateRangeStmt":
      made.add(`${quoted(earlier, fields.typeName.at(-1).String.sval)}::`);
      break;
    case "CreateDomainStmt":
      made.add(`${quoted(earlier, fields.domainname.at(-1).String.sval)}::`);
      break;
    case "CompositeTypeStmt":
      made.add(`${quoted(earlier, fields.typevar.relname)}::`);
      break;
    case "AlterEnumStmt":
      if (fields.newVal) made.add(asText(fields.newVal));
      break;
    case "AlterObjectSchemaStmt":
    case "RenameStmt": {
      if (!fields.relation) break;
      const table = tableOf(earlier, fields.relation);
      if (fields.renameType === "OBJECT_COLUMN") {
        const column = columnOf(earlier, table, fields.subname);
        renamed.set(`${table}.${quoted(earlier, fields.newname)}`, column);
      } else {
        const { schemaname = fields.newschema, relname = fields.newname } = fields.newname
          ? { schemaname: fields.relation.schemaname }
          : { relname: fields.relation.relname };
        renamed.set(named(earlier, { schemaname, relname }), table);
      }
    }
  }
}

async function ofTable(
  earlier: Earlier,
  // deno-lint-ignore no-explicit-any -- a parse tree
  fields: any,
  text: string,
  to: CatalogObject[],
): Promise<(string | undefined)[]> {
  const { objects, made } = earlier;
  const table = tableOf(earlier, fields.relation);
  const known = objects.find(({ kind, name }) =>
    kind === "table" && (name === table || name === `public.${table}`)
  );
  // Nobody looks at the rows of a foreign table.
  if (fields.objtype !== "OBJECT_TABLE" || made.has(table) || known?.ddl.startsWith("foreign ")) {
    return [];
  }
  const queries: (string | undefined)[] = [];
  for (const { AlterTableCmd: command } of fields.cmds) {
    const { subtype, name, def } = command;
    switch (subtype) {
      case "AT_AddColumn":
        queries.push(ofNewColumn(earlier, table, def.ColumnDef));
        break;
      case "AT_SetNotNull": {
        const column = columnOf(earlier, table, name);
        const isNew = made.has(`${table}.${column}`);
        queries.push(`select * from ${table}${isNew ? "" : ` where ${column} is null`}`);
        break;
      }
      case "AT_AddConstraint":
        if (!fields.relation.inh && /UNIQUE|PRIMARY/.test(def.Constraint.contype)) break;
        queries.push(
          ofConstraint(earlier, table, def.Constraint, fromByte(text, def.Constraint.location)),
        );
        break;
      case "AT_ValidateConstraint": {
        const own = `${table}.${quoted(earlier, name)}`;
        const { ddl } = objects.find((o) =>
          o.kind === "constraint" && (o.name === own || o.name === `public.${own}`)
        ) ?? {};
        if (!ddl || ddl.startsWith("alter ")) {
          break;
        }
        const added = `alter table ${table} add ${ddl.replace(/ not valid$/i, "")}`;
        const [whole] = await parseBlock({ text: added, line: 1 });
        const { Constraint } = whole!.fields.cmds[0].AlterTableCmd.def;
        queries.push(ofConstraint(earlier, table, Constraint, added));
        break;
      }
      case "AT_AlterColumnType":
        queries.push(ofType(earlier, fields, command, to));
        break;
      case "AT_SetIdentity": {
        const column = `${table}.${columnOf(earlier, table, name)}`;
        const sequence = `pg_get_serial_sequence(${asText(table)}, ${asText(name)})`;
        queries.push(ofBounds(earlier, sequence, def.List.items, column));
      }
    }
  }
  return queries;
}

// deno-lint-ignore no-explicit-any -- a parse tree
function ofNewColumn({ made, ...rest }: Earlier, table: string, column: any): string | undefined {
  made.add(`${table}.${quoted({ made, ...rest }, column.colname)}`);
  // deno-lint-ignore no-explicit-any -- a parse tree
  const kinds = (column.constraints ?? []).map(({ Constraint }: any) => Constraint.contype);
  const isFilled = kinds.some((kind: string) => /DEFAULT|IDENTITY|GENERATED/.test(kind));
  const isStrict = kinds.some((kind: string) => /NOTNULL|PRIMARY/.test(kind));
  return isStrict && !isFilled ? `select * from ${table}` : undefined;
}

/** A text from a place on, as the parser counts. */
function fromByte(text: string, location: number): string {
  return new TextDecoder().decode(new TextEncoder().encode(text).subarray(location));
}

/** The rows of columns that hold domains. */
// deno-lint-ignore no-explicit-any -- a parse tree
function ofDomain(earlier: Earlier, fields: any, text: string): string[] {
  const [name, schema] = fields.typeName.map(({ String }: { String: { sval: string } }) =>
    quoted(earlier, String.sval)
  ).reverse();
  const type = `${schema ?? "public"}.${name}`;
  const constraint = fields.def?.Constraint;
  if (fields.subtype !== "O" && constraint?.contype !== "CONSTR_CHECK") return [];
  if (constraint?.skip_validation) return [];
  return earlier.objects.flatMap(({ kind, name, of, ddl }) => {
    if (kind !== "column" || ddl !== type && !ddl.startsWith(`${type} `)) return [];
    const table = of!.replace(/^public\./, "");
    const column = name.slice(of!.length + 1);
    if (fields.subtype === "O") return `select * from ${table} where ${column} is null`;
    const check = inParentheses(text, /\bcheck\s*\(/i);
    const names = new Map([["value", column]]);
    const asked = expressionOf(earlier, table, check, constraint.raw_expr, names);
    return asked === undefined ? [] : `select * from ${table} where not (${asked})`;
  });
}

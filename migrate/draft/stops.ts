import type { CatalogObject } from "../catalog/definitions.ts";
import { parseBlock } from "../files/grammar.ts";

/**
 * Queries for the rows at which statements would stop: PostgreSQL takes a `set not null`, a key, a
 * check or a reference only where all rows keep it. Each names rows as they are before the
 * statements run, so that they can be found and mended first.
 */
export async function stoppingRows(
  statements: string[],
  from: CatalogObject[],
  to: CatalogObject[],
): Promise<string[]> {
  const queries: string[] = [];
  // What the statements make holds no row, or no value, yet.
  const made = new Set<string>();
  for (const text of statements) {
    for (const { kind, fields } of await parseBlock({ text, line: 1 })) {
      if (kind === "CreateStmt") made.add(named(fields.relation));
      if (kind === "AlterTableStmt" && fields.objtype === "OBJECT_TABLE") {
        const table = named(fields.relation);
        // deno-lint-ignore no-explicit-any -- a parse tree
        for (const { AlterTableCmd: command } of fields.cmds as any[]) {
          if (made.has(table)) continue;
          const query = command.subtype === "AT_AlterColumnType"
            ? ofType(table, command, from, to)
            : command.subtype === "AT_SetIdentity"
            ? ofBounds(
              `pg_get_serial_sequence(${asText(table)}, ${asText(command.name)})`,
              command.def.List.items,
              from,
              `${table}.${quoted(command.name)}`,
            )
            : ofCommand(table, command, made);
          if (query) queries.push(query);
        }
      }
      if (kind === "AlterSeqStmt") {
        const query = ofBounds(asText(named(fields.sequence)), fields.options, from);
        if (query) queries.push(query);
      }
      if (kind === "IndexStmt" && fields.unique && !made.has(named(fields.relation))) {
        // deno-lint-ignore no-explicit-any -- a parse tree
        const columns = (fields.indexParams as any[]).map(({ IndexElem }) => IndexElem.name);
        if (columns.every(Boolean) && !fields.whereClause) {
          queries.push(repeated(named(fields.relation), columns.map(quoted), made));
        }
      }
    }
  }
  return [...new Set(queries)];
}

// deno-lint-ignore no-explicit-any -- a parse tree
function ofCommand(table: string, { subtype, name, def }: any, made: Set<string>) {
  const fresh = (column: string) => made.has(`${table}.${column}`);
  switch (subtype) {
    case "AT_AddColumn": {
      const column = def.ColumnDef;
      made.add(`${table}.${quoted(column.colname)}`);
      // deno-lint-ignore no-explicit-any -- a parse tree
      const kinds = (column.constraints ?? []).map(({ Constraint }: any) => Constraint.contype);
      const filled = kinds.some((k: string) => /DEFAULT|IDENTITY|GENERATED/.test(k));
      const strict = kinds.some((k: string) => /NOTNULL|PRIMARY/.test(k));
      return strict && !filled ? `select * from ${table}` : undefined;
    }
    case "AT_SetNotNull": {
      const column = quoted(name);
      return fresh(column)
        ? `select * from ${table}`
        : `select * from ${table} where ${column} is null`;
    }
    case "AT_AddConstraint":
      return ofConstraint(table, def.Constraint, made);
  }
}

// deno-lint-ignore no-explicit-any -- a parse tree
function ofConstraint(table: string, constraint: any, made: Set<string>): string | undefined {
  const { contype, skip_validation, keys, fk_attrs, pk_attrs, pktable, indexname } = constraint;
  if (skip_validation || indexname) return;
  // deno-lint-ignore no-explicit-any -- a parse tree
  const names = (list: any[] = []) => list.map(({ String }) => quoted(String.sval));
  if (contype === "CONSTR_UNIQUE" || contype === "CONSTR_PRIMARY") {
    const columns = names(keys);
    const query = repeated(table, columns, made);
    return contype === "CONSTR_UNIQUE"
      ? query
      : `${query} or ${columns.map((column) => `${column} is null`).join(" or ")}`;
  }
  if (contype === "CONSTR_FOREIGN" && pk_attrs && !made.has(named(pktable))) {
    const [columns, targets] = [names(fk_attrs), names(pk_attrs)];
    if (columns.some((column) => made.has(`${table}.${column}`))) return;
    const pairs = columns.map((column, i) => `r.${targets[i]} = t.${column}`).join(" and ");
    const set = columns.map((column) => `t.${column} is not null`).join(" and ");
    return `select * from ${table} t where ${set} and not exists (select from ${
      named(pktable)
    } r where ${pairs})`;
  }
}

/** A sequence, or an identity's, that is beyond a lower bound already. */
function ofBounds(
  sequence: string,
  // deno-lint-ignore no-explicit-any -- a parse tree
  options: any[],
  from: CatalogObject[],
  column?: string,
): string | undefined {
  // deno-lint-ignore no-explicit-any -- a parse tree
  const arg: any = options.find(({ DefElem }) => DefElem.defname === "maxvalue")?.DefElem.arg;
  const most = arg?.Integer?.ival ?? arg?.Float?.fval;
  if (most === undefined) return;
  const object = column ? definitionOf(from, column) : from.find((o) =>
    o.kind === "sequence" &&
    [o.name, o.name.replace(/^public\./, "")].some((name) => asText(name) === sequence)
  )?.ddl;
  const [, was] = /\bmaxvalue (-?\d+)/.exec(object ?? "") ?? [];
  if (was && BigInt(was) <= BigInt(most)) return;
  return `select last from pg_sequence_last_value(${sequence}) last where last > ${most}`;
}

/** The values that a narrower type does not hold. */
function ofType(
  table: string,
  // deno-lint-ignore no-explicit-any -- a parse tree
  { name, def }: any,
  from: CatalogObject[],
  to: CatalogObject[],
): string | undefined {
  const column = quoted(name);
  const before = definitionOf(from, `${table}.${column}`);
  if (!before) return;
  const { names, typmods = [] } = def.ColumnDef.typeName;
  const type: string = names.at(-1).String.sval;
  const [size, scale = 0] = typmods.map(
    // deno-lint-ignore no-explicit-any -- a parse tree
    ({ A_Const }: any) => A_Const?.ival?.ival ?? 0,
  );
  const where = (condition: string) => `select * from ${table} where ${condition}`;
  if (/^(varchar|bpchar)$/.test(type) && size !== undefined) {
    const [, was] = /^character(?: varying)?\((\d+)\)/.exec(before) ?? [];
    return was && Number(was) <= size ? undefined : where(`length(${column}::text) > ${size}`);
  }
  const bits = { int2: 15, int4: 31, int8: 63 }[type];
  if (bits) {
    if (/^(text|character)/.test(before)) return where(`${column} !~ '^\\s*[-+]?\\d+\\s*$'`);
    const known = /^smallint/.test(before) ? 15 : /^integer/.test(before) ? 31 : 63;
    const most = (1n << BigInt(bits)) - 1n;
    return known <= bits && !/^numeric/.test(before)
      ? undefined
      : where(`${column} not between ${-most - 1n} and ${most}`);
  }
  if (type === "numeric" && size !== undefined) {
    const [, was, wasScale = 0] = /^numeric\((\d+),?(\d+)?\)/.exec(before) ?? [];
    const whole = size - scale;
    return was && Number(was) - Number(wasScale) <= whole
      ? undefined
      : where(`abs(${column}) >= 1e${whole}`);
  }
  const labels = labelsOf(to, definitionOf(to, `${table}.${column}`));
  const known = labelsOf(from, before);
  if (!labels || known?.every((label) => labels.includes(label))) return;
  return where(`${column}::text not in (${labels.join(", ")})`);
}

/** The labels of the enum that a column is of, as SQL has them. */
function labelsOf(objects: CatalogObject[], column = ""): string[] | undefined {
  const type = column.split(" ")[0];
  const ddl = objects.find((o) => o.kind === "type" && o.name === type)?.ddl;
  return / as enum \((.*)\)$/s.exec(ddl ?? "")?.[1]?.match(/'(?:[^']|'')*'/g) ?? undefined;
}

function definitionOf(objects: CatalogObject[], name: string): string | undefined {
  return objects.find((o) =>
    o.kind === "column" && (o.name === name || o.name === `public.${name}`)
  )
    ?.ddl;
}

function repeated(table: string, columns: string[], made: Set<string>): string {
  if (columns.some((column) => made.has(`${table}.${column}`))) return `select * from ${table}`;
  const list = columns.join(", ");
  return `select ${list} from ${table} group by ${list} having count(*) > 1`;
}

function named({ schemaname, relname }: { schemaname?: string; relname: string }): string {
  return [schemaname, relname].filter((part) => part !== undefined).map((part) => quoted(part!))
    .join(".");
}

function quoted(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function asText(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

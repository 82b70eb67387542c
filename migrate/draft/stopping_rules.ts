import { closing, inParentheses, withoutQuotes } from "../files/sql_text.ts";
import { columnOf, definitionOf, type Earlier, expressionOf, quoted, tableOf } from "./earlier.ts";

/** The rows that a constraint does not take. `text` begins with it. */
export function ofConstraint(
  earlier: Earlier,
  table: string,
  // deno-lint-ignore no-explicit-any -- a parse tree
  constraint: any,
  text: string,
): string | undefined {
  const { contype, skip_validation, keys, fk_attrs, pk_attrs, pktable, indexname } = constraint;
  const { made, retyped } = earlier;
  if (skip_validation || indexname || constraint.is_enforced === false) return;
  // deno-lint-ignore no-explicit-any -- a parse tree
  const names = (list: any[] = []) =>
    list.map(({ String }) => columnOf(earlier, table, String.sval));
  const isOther = (column: string) => made.has(column) || retyped.has(column);
  switch (contype) {
    case "CONSTR_CHECK": {
      const check = expressionOf(
        earlier,
        table,
        inParentheses(text, /\bcheck\s*\(/i),
        constraint.raw_expr,
      );
      return check && `select * from ${table} where not (${check})`;
    }
    case "CONSTR_UNIQUE":
      if (constraint.without_overlaps) return overlapping(earlier, table, names(keys));
      return repeated(earlier, table, names(keys), constraint.nulls_not_distinct);
    case "CONSTR_PRIMARY": {
      const columns = names(keys);
      if (constraint.without_overlaps) return overlapping(earlier, table, columns);
      const query = repeated(earlier, table, columns, true);
      const empty = nullable(earlier, table, columns).map((column) => ` or ${column} is null`);
      return query && query + empty.join("");
    }
    case "CONSTR_EXCLUSION":
      return ofExclusion(earlier, table, constraint, text);
    case "CONSTR_FOREIGN": {
      const target = pk_attrs && tableOf(earlier, pktable);
      const columns = names(fk_attrs);
      if (!target || made.has(target)) return;
      // deno-lint-ignore no-explicit-any -- a parse tree
      const targets: string[] = pk_attrs.map(({ String }: any) =>
        columnOf(earlier, target, String.sval)
      );
      const all = [...columns.map((c) => `${table}.${c}`), ...targets.map((c) => `${target}.${c}`)];
      if (all.some(isOther)) return;
      const set = columns.map((column) => `t.${column} is not null`).join(" and ");
      const pairs = columns.map((column, i) => `r.${targets[i]} = t.${column}`);
      if (constraint.pk_with_period) {
        const [last, period] = [columns.length - 1, `t.${columns.at(-1)}`];
        const filter = [...pairs.slice(0, last), `r.${targets[last]} && ${period}`].join(" and ");
        return `select * from ${table} t where ${set} and (select range_agg(r.${targets[last]}) ` +
          `@> ${period} from ${target} r where ${filter}) is not true`;
      }
      return `select * from ${table} t where ${set} and not exists (select from ${target} r where ${
        pairs.join(" and ")
      })`;
    }
  }
}

/** Two rows of which the last of the columns, a range, has something in common. */
function overlapping(earlier: Earlier, table: string, columns: string[]): string | undefined {
  if (columns.some((column) => earlier.made.has(`${table}.${column}`))) return;
  const pairs = columns.map((column, i) =>
    `a.${column} ${i === columns.length - 1 ? "&&" : "="} b.${column}`
  );
  return `select * from ${table} a join ${table} b on a.ctid < b.ctid and ${pairs.join(" and ")}`;
}

/** Two rows that a row of the exclusion keeps apart. */
function ofExclusion(
  earlier: Earlier,
  table: string,
  // deno-lint-ignore no-explicit-any -- a parse tree
  { exclusions, where_clause }: any,
  text: string,
): string | undefined {
  const pairs: string[] = [];
  for (const { List: { items: [{ IndexElem: { name } }, { List: { items } }] } } of exclusions) {
    const column = name && columnOf(earlier, table, name);
    if (!column || earlier.made.has(`${table}.${column}`)) return;
    // deno-lint-ignore no-explicit-any -- a parse tree
    const operator = items.map(({ String }: any) => String.sval);
    const written = operator.length > 1
      ? `operator(${quoted(earlier, operator[0])}.${operator[1]})`
      : operator[0];
    pairs.push(`a.${column} ${written} b.${column}`);
  }
  const where = where_clause &&
    expressionOf(earlier, table, inParentheses(text, /\bwhere\s*\(/i), where_clause);
  if (where_clause && !where) return;
  const rows = where ? `(select *, ctid from ${table} where ${where})` : table;
  return `select * from ${rows} a join ${rows} b on a.ctid < b.ctid and ${pairs.join(" and ")}`;
}

/** The rows that a unique index does not take. */
// deno-lint-ignore no-explicit-any -- a parse tree
export function ofIndex(earlier: Earlier, fields: any, text: string): string | undefined {
  const table = tableOf(earlier, fields.relation);
  if (earlier.made.has(table)) return;
  const plain = withoutQuotes(text);
  const parts = listed(inParentheses(text, /\bon\s[^(]*\(/i));
  const columns: (string | undefined)[] = [];
  for (const [i, { IndexElem: { name, expr } }] of fields.indexParams.entries()) {
    columns.push(
      name
        ? columnOf(earlier, table, name)
        : expressionOf(earlier, table, expressionIn(parts[i]!), expr),
    );
  }
  const start = plain.search(/\bwhere\s(?![^]*\bwhere\s)/i);
  const where = fields.whereClause &&
    expressionOf(
      earlier,
      table,
      text.slice(start + "where".length).replace(/;\s*$/, "").trim(),
      fields.whereClause,
    );
  if (columns.includes(undefined) || fields.whereClause && !where) return;
  return repeated(earlier, table, columns as string[], fields.nulls_not_distinct, where);
}

function nullable({ objects }: Earlier, table: string, columns: string[]): string[] {
  return columns.filter((column) => {
    const ddl = definitionOf(objects, `${table}.${column}`);
    return ddl !== "" && !/ not null\b| as identity\b/.test(ddl);
  });
}

/**
 * Rows that are alike. A new column is no reason: it holds nulls, which are not, or its default, of
 * which nobody knows how often it is the same.
 */
function repeated(
  earlier: Earlier,
  table: string,
  columns: string[],
  withNulls = false,
  where?: string,
): string | undefined {
  if (columns.some((column) => earlier.made.has(`${table}.${column}`))) return;
  const list = columns.join(", ");
  const set = withNulls ? [] : nullable(earlier, table, columns).map((c) => `${c} is not null`);
  const conditions = [...where ? [where] : [], ...set];
  const filter = conditions.length > 0 ? ` where ${conditions.join(" and ")}` : "";
  return `select ${list} from ${table}${filter} group by ${list} having count(*) > 1`;
}

/** The parts of a list. */
function listed(text: string): string[] {
  const plain = withoutQuotes(text);
  const ends = [...plain.matchAll(/,/g)].map(({ index }) => index)
    .filter((index) => balanced(plain.slice(0, index)));
  return [...ends, text.length].map((end, i) => text.slice(i === 0 ? 0 : ends[i - 1]! + 1, end));
}

const balanced = (plain: string) => plain.split("(").length === plain.split(")").length;

/** An expression without its operator class and order. */
function expressionIn(part: string): string {
  const plain = withoutQuotes(part);
  return part.slice(0, closing(plain, plain.indexOf("(")) + 1).trim();
}

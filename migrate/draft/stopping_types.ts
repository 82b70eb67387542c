import type { CatalogObject } from "../catalog/definitions.ts";
import { sqlPattern } from "../files/sql_text.ts";
import { asText, columnOf, definitionOf, type Earlier, named, quoted, tableOf } from "./earlier.ts";

/** A sequence, or an identity's, that is beyond a lower bound already. */
export function ofBounds(
  { objects }: Earlier,
  sequence: string,
  // deno-lint-ignore no-explicit-any -- a parse tree
  options: any[],
  column?: string,
): string | undefined {
  // deno-lint-ignore no-explicit-any -- a parse tree
  const arg: any = options.find(({ DefElem }) => DefElem.defname === "maxvalue")?.DefElem.arg;
  const most = arg?.Integer?.ival ?? arg?.Float?.fval;
  if (most === undefined || BigInt(most) >= (1n << 63n) - 1n) return;
  const ddl = column ? definitionOf(objects, column) : objects.find((o) =>
    o.kind === "sequence" &&
    [o.name, o.name.replace(/^public\./, "")].some((name) => asText(name) === sequence)
  )?.ddl;
  const [, was] = /\bmaxvalue (-?\d+)/.exec(ddl ?? "") ?? [];
  if (was && BigInt(was) <= BigInt(most)) return;
  return `select last from pg_sequence_last_value(${sequence}) last where last > ${most}`;
}

/** The digits before the point that a number may have. */
const digits: Record<string, number> = { smallint: 5, integer: 10, bigint: 19 };

/** Types that expressions take for each other: as PostgreSQL shows them, and as its parser does. */
const alike: [RegExp, RegExp][] = [
  [/^(smallint|integer|bigint|numeric|real|double precision)\b/, /^(int[248]|numeric|float[48])$/],
  [/^(text|character)\b/, /^(text|varchar|bpchar)$/],
];

/** The values that a narrower type does not hold. `fields` are those of an `alter table`. */
export function ofType(
  earlier: Earlier,
  // deno-lint-ignore no-explicit-any -- a parse tree
  fields: any,
  // deno-lint-ignore no-explicit-any -- a parse tree
  { name, def }: any,
  to: CatalogObject[],
): string | undefined {
  const table = tableOf(earlier, fields.relation);
  const column = columnOf(earlier, table, name);
  const before = definitionOf(earlier.objects, `${table}.${column}`);
  const { typeName, raw_default: using } = def.ColumnDef;
  const { names, typmods = [] } = typeName;
  const type: string = names.at(-1).String.sval;
  if (!alike.some(([was, is]) => was.test(before) && is.test(type))) {
    earlier.retyped.add(`${table}.${quoted(earlier, name)}`);
  }
  if (!before || !isCast(using)) return;
  const [size, scale = 0] = typmods.map(
    // deno-lint-ignore no-explicit-any -- a parse tree
    ({ A_Const }: any) => A_Const?.ival?.ival ?? 0,
  );
  const where = (condition: string) => `select * from ${table} where ${condition}`;
  const isArray = typeName.arrayBounds !== undefined;
  const labels = labelsOf(
    to,
    definitionOf(to, `${named(earlier, fields.relation)}.${quoted(earlier, name)}`),
  );
  if (labels) {
    const known = labelsOf(earlier.objects, before);
    if (known?.every((label) => labels.includes(label))) return;
    return isArray
      ? where(`not ${column}::text[] <@ array[${labels.join(", ")}]`)
      : where(`${column}::text not in (${labels.join(", ")})`);
  }
  if (isArray || /^\S*\[\]/.test(before)) return;
  if (/^(varchar|bpchar)$/.test(type)) {
    const [, was] = /^character(?: varying)?\((\d+)\)/.exec(before) ?? [];
    if (size === undefined || was && Number(was) <= size) return;
    return where(`length(${column}::text) > ${size}`);
  }
  const bits = { int2: 15, int4: 31, int8: 63 }[type];
  if (/^(text|character)/.test(before)) {
    return bits ? where(`${column} !~ '^\\s*[-+]?\\d+\\s*$'`) : undefined;
  }
  const [, number] = /^(smallint|integer|bigint|numeric|real|double precision)\b/.exec(before) ??
    [];
  if (!number) return;
  if (bits) {
    const known = { smallint: 15, integer: 31, bigint: 63 }[number] ?? Infinity;
    const most = (1n << BigInt(bits)) - 1n;
    return known <= bits ? undefined : where(`${column} not between ${-most - 1n} and ${most}`);
  }
  if (type === "numeric" && size !== undefined) {
    const [, was, wasScale = 0] = /^numeric\((\d+),?(\d+)?\)/.exec(before) ?? [];
    const known = was ? Number(was) - Number(wasScale) : digits[number] ?? Infinity;
    return known <= size - scale ? undefined : where(`abs(${column}) >= 1e${size - scale}`);
  }
}

/** Whether it says no more than which type: nothing, or a cast of the column. */
// deno-lint-ignore no-explicit-any -- a parse tree
function isCast(using: any): boolean {
  return using === undefined || "ColumnRef" in using ||
    "TypeCast" in using && isCast(using.TypeCast.arg);
}

/** The labels of the enum that a column is of, or its elements are, as SQL has them. */
function labelsOf(objects: CatalogObject[], column: string): string[] | undefined {
  const [type] = sqlPattern("^<path>").exec(column) ?? [];
  const ddl = objects.find((o) => o.kind === "type" && o.name === type)?.ddl;
  return / as enum \((.*)\)$/s.exec(ddl ?? "")?.[1]?.match(/'(?:[^']|'')*'/g) ?? undefined;
}

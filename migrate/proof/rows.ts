import { type Database, DatabaseError } from "../../postgres/mod.ts";
import { candidates } from "./candidates.ts";
import { type ColumnShape, readShapes, type TableShape } from "./rows_query.ts";

/** A table that no row could be made for, and why. */
export interface Unfilled {
  table: string;
  reason: string;
}

/**
 * Puts rows into tables of a scratch database: one with a value in every column, one with only what
 * is required. PostgreSQL itself finds values that pass: each column has candidates (of its type,
 * and from the literals of its checks), and a query selects a combination that satisfies checks,
 * foreign keys and unique indexes, also those of `future`, which a later migration adds: a real row
 * would not break the rule that is about to be written down; with `required` not its not null either. Tables that were
 * `filled` in this shape already are passed over.
 * `counter` makes values distinct; tables that are `passedOver` get no row. `db` must be a session.
 */
export async function fillTables(
  db: Database,
  filled: Map<string, string>,
  counter: { value: number },
  future: TableShape[],
  required = false,
  passedOver: ReadonlySet<string> = new Set(),
): Promise<Unfilled[]> {
  const unfilled: Unfilled[] = [];
  for (const shape of (await readShapes(db)).map((shape) => foreseen(shape, future, required))) {
    const signature = JSON.stringify({ ...shape, stored: undefined });
    if (passedOver.has(shape.name)) continue;
    if (shape.stored && filled.get(shape.name) === signature) continue;
    const isNew = !filled.has(shape.name);
    filled.set(shape.name, signature);
    // What draws from a sequence draws here as well: the next number has to be a new one.
    const full = shape.columns.filter(({ drawn }) => !drawn);
    const least = full.filter(({ required, hasDefault }) => required && !hasDefault);
    const reasons: string[] = [];
    for (const columns of [full, least]) {
      try {
        await db.script(insertion(shape, columns, ++counter.value));
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        if (error.code !== impossible) reasons.push(error.message);
        else reasons.push("no values were found that satisfy its constraints");
      }
    }
    if (isNew && reasons.length === 2) unfilled.push({ table: shape.name, reason: reasons[0]! });
  }
  return unfilled;
}

/** A shape with the constraints that the table of this name will have on the columns it has now. */
function foreseen(shape: TableShape, future: TableShape[], required: boolean): TableShape {
  return future.filter(({ name }) => name === shape.name)
    .reduce((now, later) => withRules(now, later, required), shape);
}

function withRules(shape: TableShape, later: TableShape, required: boolean): TableShape {
  const has = (columns: string[]) =>
    columns.every((column) => shape.columns.some(({ name }) => name === column));
  const more = <Tie>(now: Tie[], then: Tie[]) => {
    const known = new Set(now.map((tie) => JSON.stringify(tie)));
    return [...now, ...then.filter((tie) => !known.has(JSON.stringify(tie)))];
  };
  const isRequired = (column: ColumnShape) =>
    column.required ||
    required && later.columns.some((then) => then.name === column.name && then.required);
  return {
    ...shape,
    columns: shape.columns.map((column) => ({ ...column, required: isRequired(column) })),
    checks: more(shape.checks, later.checks.filter(({ columns }) => has(columns))),
    references: more(shape.references, later.references.filter(({ columns }) => has(columns))),
    keys: more(shape.keys, later.keys.filter(has)),
  };
}

/** SQLSTATE of "null value violates": what an insertion without a solution raises. */
const impossible = "22004";

/** One insert; it raises `impossible` where no combination of candidates passes. */
function insertion(shape: TableShape, columns: ColumnShape[], counter: number): string {
  if (columns.length === 0) return `insert into ${shape.name} default values`;
  const groups = connected(shape, columns);
  const names = groups.flat().map(({ name }) => name);
  const sources = groups.map((group, i) => `(${solution(shape, group, counter)}) as s${i}`);
  // Always the same rows: the plan, and with it the order, must not hang on statistics.
  return `do $fill$ begin
    perform set_config(name, value, true) from (values ('enable_hashjoin', 'off'),
      ('enable_mergejoin', 'off'), ('join_collapse_limit', '1'), ('from_collapse_limit', '1'))
      as settings (name, value);
    insert into ${shape.name} (${names.join(", ")})
    select ${groups.map((group, i) => group.map(({ name }) => `s${i}.${name}`)).flat().join(", ")}
    from ${sources.join(" cross join ")};
    if not found then raise sqlstate '${impossible}'; end if;
  end $fill$`;
}

/** Columns that some constraint ties together, in groups. */
function connected(shape: TableShape, columns: ColumnShape[]): ColumnShape[][] {
  let groups = columns.map((column) => [column]);
  for (const tie of ties(shape)) {
    const touched = groups.filter((group) => group.some(({ name }) => tie.includes(name)));
    if (touched.length > 1) {
      groups = [...groups.filter((group) => !touched.includes(group)), touched.flat()];
    }
  }
  return groups;
}

function ties({ checks, references, keys }: TableShape): string[][] {
  return [...checks.map((c) => c.columns), ...references.map((r) => r.columns), ...keys];
}

/** A select of one combination of values for a group of columns. */
function solution(shape: TableShape, group: ColumnShape[], counter: number): string {
  const names = group.map(({ name }) => name);
  const inside = (columns: string[]) => columns.every((column) => names.includes(column));
  const conditions = [
    // A check that is null passes.
    ...shape.checks.filter((check) => inside(check.columns))
      .map((check) => `(${check.expression}) is not false`),
    ...shape.references.filter((reference) => inside(reference.columns)).map((reference) => {
      const pairs = reference.columns.map((column, i) => `r.${reference.targets[i]} = g.${column}`);
      return `exists (select from ${reference.target} r where ${pairs.join(" and ")})`;
    }),
    ...shape.keys.filter(inside).map((key) => {
      const pairs = key.map((column) => `k.${column} = g.${column}`);
      return `not exists (select from ${shape.name} k where ${pairs.join(" and ")})`;
    }),
  ];
  const sources = group.map((column, i) => {
    const reference = shape.references.find(({ columns }) => columns.includes(column.name));
    const target = reference?.targets[reference.columns.indexOf(column.name)];
    return reference
      ? `(select distinct ${target}::${column.type} as ${column.name} from ${reference.target} order by 1 limit 20) as "c ${i}"`
      : `(values ${
        candidates(column, literals(shape, column.name), counter)
          .map((value) => `(${quote(value)}::${column.base}::${column.type})`).join(", ")
      }) as "c ${i}" (${column.name})`;
  });
  const where = conditions.length > 0 ? ` where ${conditions.join(" and ")}` : "";
  return `select ${names.join(", ")} from (select * from ${
    sources.join(" cross join ")
  }) as g${where} limit 1`;
}

/** What the checks of a column mention: strings, and numbers. */
function literals(shape: TableShape, column: string): string[] {
  const text = shape.checks.filter(({ columns }) => columns.includes(column))
    .map(({ expression }) => expression).join(" ");
  return [
    ...new Set(
      [...text.matchAll(/'((?:[^']|'')*)'|(?<![\w.])(-?\d+(?:\.\d+)?)/g)]
        .map(([, quoted, number]) => quoted?.replaceAll("''", "'") ?? number!),
    ),
  ];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

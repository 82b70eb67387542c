import type { CatalogObject } from "../catalog/definitions.ts";
import type { DraftStatement } from "./delta.ts";

/** Every privilege on a table, as PostgreSQL 17 and later list them; the earlier ones lack one. */
const allOnTable = "DELETE, INSERT, MAINTAIN, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE";

/**
 * What pg-delta drafts, corrected where it is known to be wrong; each line below is one of its
 * faults. `from` is the catalog that the draft starts from, `role` the scratch server's own.
 */
export function corrected(
  statements: DraftStatement[],
  from: CatalogObject[],
  role: string,
): DraftStatement[] {
  const me = `"${role}"`;
  return statements.flatMap((statement) => {
    let { text } = statement;
    // Who owns things and what the owner may do is a matter of who runs the migration.
    if (/ OWNER TO "[^"]+"$/.test(text)) return [];
    if (/^(GRANT|REVOKE) /.test(text) && new RegExp(`(TO|FROM) ${me}$`).test(text)) return [];
    text = text.replace(` AUTHORIZATION ${me}`, "").replace(`FOR ROLE ${me} `, "");
    // An extension brings its own comment.
    if (/^COMMENT ON EXTENSION /.test(text)) return [];
    // The index of a partitioned table would stay invalid, without its partitions'.
    text = text.replace(/^(CREATE (?:UNIQUE )?INDEX .*?) ON ONLY /, "$1 ON ");
    // An explicit cast cuts values off where an assignment refuses to.
    text = text.replace(
      /( TYPE ((?:character varying|character|bit varying|bit|numeric)\([\d, ]+\))) USING \S+::\2$/,
      "$1",
    );
    if (isIdleDropDefault(text, from)) return [];
    // PostgreSQL 18 alone takes a name for it, and has said NOT NULL before.
    text = text.replace(/ CONSTRAINT "[^"]*_not_null" NOT NULL/, "");
    text = text.replace(`GRANT ${allOnTable} ON`, "GRANT ALL ON");
    return [{ ...statement, text }];
  });
}

/**
 * A column that is dropped and added again loses its values. Where only its type or collation
 * differs, `alter column type` keeps them.
 */
export function withoutReplacedColumns(
  statements: DraftStatement[],
  from: CatalogObject[],
  to: CatalogObject[],
): DraftStatement[] {
  const drop = (text: string) => /^ALTER TABLE (.+) DROP COLUMN ("[^"]+"|\w+)$/.exec(text);
  const add = (text: string) => /^ALTER TABLE (.+) ADD COLUMN ("[^"]+"|\w+) ([^]+)$/.exec(text);
  const kept = new Set<string>();
  const dropped = new Set(statements.flatMap(({ text }) => drop(text)?.slice(1).join(".") ?? []));
  const changed = statements.map((statement) => {
    const [, table, column, definition] = add(statement.text) ?? [];
    const name = `${table}.${column}`;
    if (!definition || !dropped.has(name)) return statement;
    const [a, b] = [columnOf(from, name), columnOf(to, name)];
    const rest = (ddl: string) => / (?:not null|default |generated )[^]*$/.exec(ddl)?.[0] ?? "";
    if (!a || !b || rest(a) !== rest(b) || / generated /.test(a)) return statement;
    kept.add(name);
    const type = definition.replace(/ (?:NOT NULL|DEFAULT )[^]*$/, "");
    return { ...statement, text: `ALTER TABLE ${table} ALTER COLUMN ${column} TYPE ${type}` };
  });
  return changed.filter(({ text }) => !kept.has(drop(text)?.slice(1).join(".") ?? ""));
}

function columnOf(objects: CatalogObject[], name: string): string | undefined {
  const bare = (text: string) => text.replaceAll('"', "");
  return objects.find((object) => object.kind === "column" && bare(object.name) === bare(name))
    ?.ddl;
}

/** `drop default` where there is none. */
function isIdleDropDefault(text: string, from: CatalogObject[]): boolean {
  const [, table, column] =
    /^ALTER TABLE (.+) ALTER COLUMN ("[^"]+"|\w+) DROP DEFAULT$/.exec(text) ?? [];
  if (!table || !column) return false;
  const found = columnOf(from, `${table}.${column}`);
  return found !== undefined && !/ default /.test(found);
}

/**
 * The statements in the transactions that they need: what follows a new value of an enum in
 * another one, what runs outside of any alone.
 */
export function inTransactions(statements: DraftStatement[]): DraftStatement[][] {
  const groups: DraftStatement[][] = [];
  let open = false;
  // pg-delta may use a new value before it adds it.
  const isValue = ({ text }: DraftStatement) => /^ALTER TYPE .* ADD VALUE /.test(text);
  const ordered = [...statements.filter(isValue), ...statements.filter((s) => !isValue(s))];
  for (const statement of ordered) {
    if (!open || statement.outside) groups.push([]);
    groups.at(-1)!.push(statement);
    open = !statement.outside;
    if (statement.endsTransaction) open = false;
  }
  return mergedEnumValues(groups);
}

/** New values may share a transaction with each other. */
function mergedEnumValues(groups: DraftStatement[][]): DraftStatement[][] {
  const merged: DraftStatement[][] = [];
  const ends = (group: DraftStatement[]) => group.at(-1)!.endsTransaction;
  for (const group of groups) {
    const before = merged.at(-1);
    const onlyValues = group.every((statement) => statement.endsTransaction);
    if (before && ends(before) && onlyValues) before.push(...group);
    else merged.push([...group]);
  }
  return merged;
}

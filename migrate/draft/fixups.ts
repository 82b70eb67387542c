import type { Catalog } from "../catalog/catalog.ts";
import type { CatalogObject } from "../catalog/definitions.ts";
import type { DraftStatement } from "./delta.ts";
import { together } from "./kept_rows.ts";
import { asDefined } from "./made_tables.ts";
import { columnOf } from "./replaced.ts";
import { bare, lastName, sqlPattern } from "../files/sql_text.ts";
import { isAlone } from "../schema/alone.ts";

/** Every privilege on a table, as PostgreSQL 17 and later list them; the earlier ones lack one. */
const allOnTable = "DELETE, INSERT, MAINTAIN, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE";

/**
 * What pg-delta drafts, corrected where it is known to be wrong; each line below is one of its
 * faults. `from` is the catalog that the draft starts from, `to` the one that it leads to,
 * `role` the scratch server's own.
 */
export function corrected(
  statements: DraftStatement[],
  from: Catalog,
  to: Catalog,
  role: string,
): DraftStatement[] {
  const me = `"${role}"`;
  const seen = new Set<string>();
  return statements.flatMap((statement) => {
    let { text } = statement;
    // What belongs to who runs the migration does so without a word.
    if (text.endsWith(` OWNER TO ${me}`)) return [];
    if (/^(GRANT|REVOKE) /.test(text) && new RegExp(`(TO|FROM) ${me}$`).test(text)) return [];
    // What an owner may do goes and comes with the owner.
    if (isOwners(text, [...from.definitions, ...to.definitions])) return [];
    text = text.replace(` AUTHORIZATION ${me}`, "").replace(`FOR ROLE ${me} `, "")
      .replace(` FOR ${me} SERVER `, " FOR CURRENT_USER SERVER ");
    // A column that comes from a parent comes and goes with it.
    if (isInherited(text, from, to)) return [];
    // An extension brings its own comment.
    if (/^COMMENT ON EXTENSION /.test(text)) return [];
    text = withPartitions(text, to.definitions);
    text = asDefined(text, to.definitions);
    // An explicit cast cuts values off where an assignment refuses to.
    text = text.replace(
      sqlPattern(
        String
          .raw`( TYPE ((?:character varying|character|bit varying|bit|numeric)\([\d, ]+\))) USING <name>::\2$`,
      ),
      "$1",
    );
    text = withTextCast(text, from.definitions, to.definitions);
    if (isIdleDropDefault(text, from.definitions)) return [];
    text = withVirtual(withoutNotNullNames(text), to);
    text = text.replace(`GRANT ${allOnTable} ON`, "GRANT ALL ON");
    // A not null that it names and sets.
    if (/ SET NOT NULL$/.test(text) && seen.has(text)) return [];
    seen.add(text);
    return [{ ...statement, text: withinBounds(text, from, to) }];
  });
}

/**
 * An index of a partitioned table stays invalid without its partitions', which is meant where the
 * target has it so; a key that is meant so has to be added to the table alone.
 */
function withPartitions(text: string, to: CatalogObject[]): string {
  const [, index] = sqlPattern("^CREATE (?:UNIQUE )?INDEX (<name>) ON ONLY ").exec(text) ?? [];
  if (index) {
    const isMeant = to.some(({ kind, name, ddl }) =>
      kind === "index" && bare(lastName(name)) === bare(index) && isAlone({ kind, ddl })
    );
    return isMeant ? text : text.replace(" ON ONLY ", " ON ");
  }
  const [, table, key] = sqlPattern("^ALTER TABLE (<path>) ADD CONSTRAINT (<name>) ").exec(text) ??
    [];
  const isMeant = table &&
    to.some((object) =>
      object.kind === "constraint" && bare(object.name) === bare(`${table}.${key}`) &&
      isAlone(object)
    );
  return isMeant ? text.replace(/^ALTER TABLE /, "ALTER TABLE ONLY ") : text;
}

/**
 * A sequence below the minimum that it gets has to reach it first. One that turns round starts
 * anew, behind the rows that are there already.
 */
function withinBounds(text: string, from: Catalog, to: Catalog): string {
  const [, table, column, sequence] = sqlPattern(
    String
      .raw`^ALTER (?:TABLE (<path>) ALTER COLUMN (<name>) SET|SEQUENCE (<path>)) .*MINVALUE -?\d`,
  ).exec(text) ?? [];
  if (!table && !sequence) return text;
  const of = ({ rows }: Catalog) =>
    rows.find(({ catalog, name, values }) =>
      catalog === "pg_sequence" &&
      (sequence
        ? bare(name) === bare(sequence)
        : bare(values["owned by"] ?? "") === bare(`${table}.${column}`))
    );
  const [was, is] = [of(from), of(to)];
  if (!was || !is) return text;
  const name = `'${was.name.replaceAll("'", "''")}'`;
  const { seqmin: least, seqmax: most, seqincrement } = is.values;
  const up = Number(seqincrement) > 0;
  const [, owner, own] =
    sqlPattern(String.raw`^(<path>)\.(<name>)$`).exec(was.values["owned by"] ?? "") ?? [];
  if (/ RESTART$/.test(text) && owner) {
    return `${text}${together}SELECT setval(${name}, ${
      up ? "max" : "min"
    }(${own})) FROM ${owner} ` +
      `WHERE ${own} ${up ? `>= ${least}` : `<= ${most}`} HAVING count(${own}) > 0`;
  }
  const { seqmin, seqmax } = was.values;
  if (!up || BigInt(seqmin!) >= BigInt(least!) || BigInt(seqmax!) < BigInt(least!)) return text;
  return `SELECT setval(${name}, ${least}, false) FROM ${was.name} WHERE last_value < ${least}` +
    together + text;
}

/** A privilege of who owns the object, before or after. */
function isOwners(text: string, objects: CatalogObject[]): boolean {
  const [, object, role] =
    sqlPattern('^(?:GRANT|REVOKE) .+ ON (?:[A-Z]+ )*("[^]+) (?:TO|FROM) (<name>)$').exec(text) ??
      [];
  if (!object || !role) return false;
  return objects.some(({ kind, name, ddl }) =>
    kind === "owner" && bare(name).startsWith(`${bare(object)} `) &&
    bare(ddl).endsWith(` owner to ${bare(role)}`)
  );
}

/** An addition or a removal of a column that is the parent's. */
function isInherited(text: string, from: Catalog, to: Catalog): boolean {
  const [, table, verb, column] =
    sqlPattern("^ALTER TABLE (<path>) (ADD|DROP) COLUMN (<name>)").exec(text) ??
      [];
  if (!table) return false;
  const name = bare(`${table}.${column}`);
  const isLocal = ({ rows }: Catalog) =>
    rows.find((row) => row.catalog === "pg_attribute" && bare(row.name) === name)?.values
      .attislocal;
  const [before, after] = verb === "ADD" ? [from, to] : [to, from];
  // One that is there already can only have been the parent's.
  return isLocal(after) === "false" ||
    isLocal(before) !== undefined && isLocal(before) !== isLocal(after);
}

/** PostgreSQL has no cast from one enum to another: by their labels there is one. */
function withTextCast(text: string, from: CatalogObject[], to: CatalogObject[]): string {
  const [, table, column] = sqlPattern(
    String.raw`^ALTER TABLE (<path>) ALTER COLUMN (<name>) TYPE (<word>) USING <name>::\3$`,
  ).exec(text) ?? [];
  if (!table || !column) return text;
  const isEnum = (objects: CatalogObject[]) => {
    const [name] = sqlPattern("^<path>").exec(columnOf(objects, `${table}.${column}`) ?? "") ?? [];
    return objects.some((o) => o.kind === "type" && o.name === name && / as enum \(/.test(o.ddl));
  };
  if (!isEnum(from) || !isEnum(to)) return text;
  return text.replace(
    sqlPattern(" USING (<name>)::(<word>)$"),
    " USING $1::text::$2",
  );
}

/** It knows no generated column but a stored one. */
function withVirtual(text: string, to: Catalog): string {
  const [, table, column] =
    sqlPattern("^ALTER TABLE (<path>) ADD COLUMN (<name>) [^]* STORED").exec(text) ??
      [];
  if (!table || !column) return text;
  const isVirtual = / virtual$/.test(columnOf(to.definitions, `${table}.${column}`) ?? "");
  return isVirtual ? text.replace(/ STORED(?=[^']*$)/, " VIRTUAL") : text;
}

/** PostgreSQL 18 alone has a name for a not null, and a statement that adds it by name. */
function withoutNotNullNames(text: string): string {
  return text
    .replace(
      sqlPattern("^(ALTER DOMAIN <path>) ADD CONSTRAINT <name> NOT NULL$"),
      "$1 SET NOT NULL",
    )
    .replace(
      sqlPattern('^(ALTER DOMAIN <path>) DROP CONSTRAINT (?=[^]*_not_null"$)<name>$'),
      "$1 DROP NOT NULL",
    )
    .replace(
      sqlPattern("^(ALTER TABLE (?:ONLY )?<path>) ADD CONSTRAINT <name> NOT NULL (<name>)$"),
      "$1 ALTER COLUMN $2 SET NOT NULL",
    )
    .replace(/ CONSTRAINT "(?:[^"]|"")*_not_null" NOT NULL/, "");
}

/** `drop default` where there is none. */
function isIdleDropDefault(text: string, from: CatalogObject[]): boolean {
  const [, table, column] =
    sqlPattern("^ALTER TABLE (<path>) ALTER COLUMN (<name>) DROP DEFAULT$").exec(text) ?? [];
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

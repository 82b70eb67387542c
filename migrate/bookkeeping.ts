import { Statement } from "../postgres/mod.ts";
import { quoteName } from "./databases.ts";
import { exit, Failure } from "./command.ts";
import { environment, searchPathOfUrl } from "./project.ts";

/** dbmate's table and ours, where nobody has said another name. */
const usual = ["schema_migrations", "migration_ledger"] as const;

/**
 * Where dbmate records versions: DBMATE_MIGRATIONS_TABLE, which may name a schema. Throws a Failure
 * where dbmate could make no table of the name, or it is our ledger's.
 */
export function versionsTable(): { schema?: string; name: string } {
  const named = environment().DBMATE_MIGRATIONS_TABLE || usual[0];
  const parts = named.split(".");
  const [name = "", schema] = parts.toReversed();
  const refuse = (why: string) =>
    new Failure(`DBMATE_MIGRATIONS_TABLE is "${named}": ${why}`, exit.usage);
  if (parts.length > 2 || name === "") {
    throw refuse("it must be the name of a table, or a schema's, a dot and a table's");
  }
  if (name === usual[1]) {
    throw refuse("that is the table of what was done with each migration; name dbmate's otherwise");
  }
  return { schema: schema || undefined, name };
}

/**
 * The schema that dbmate makes for its table: the first of the URL's search_path, whatever stands in
 * those behind it. The text is the name to dbmate, capitals and quotes included, which the server reads
 * as SQL: of `App, public` dbmate makes "App", and the server looks into app. Undefined where the table's
 * own name or the server says which.
 */
export function madeSchema(): string | undefined {
  if (versionsTable().schema !== undefined) return undefined;
  return (searchPathOfUrl() ?? "").split(",")[0]!.trim() || undefined;
}

/** Where dbmate makes its table; without a schema where the server says which. */
export function versionsPlace(): { schema?: string; name: string } {
  const { schema = madeSchema(), name } = versionsTable();
  return { schema, name };
}

/**
 * Makes the schema that dbmate would make for its table; nothing where there is none to make. To say
 * `if not exists` would take the right to make schemas also where it is there.
 */
export function createVersionsSchema(): string {
  const { schema } = versionsPlace();
  if (schema === undefined) return "";
  const name = quoteName(schema);
  return `do $make$ begin
  if to_regnamespace('${name.replaceAll("'", "''")}') is null then create schema ${name}; end if;
end $make$;`;
}

/** Makes the versions' table as dbmate would. */
export function createVersionsTable(): string {
  return `create table if not exists ${versionsTableName()} (version varchar(128) primary key);`;
}

/** The versions' table as SQL has to have it. */
export function versionsTableName(): string {
  const { schema, name } = versionsPlace();
  return nameOf(schema, name);
}

/** The ledger's as well: it stands where dbmate's table does, unless that has a schema to itself. */
export function ledgerName(): string {
  return nameOf(madeSchema(), usual[1]);
}

function nameOf(schema: string | undefined, name: string): string {
  // A schema may well be called `user`, and a table `order`.
  const own = usual.some((one) => one === name) ? name : quoteName(name);
  return schema === undefined ? own : `${quoteName(schema)}.${own}`;
}

/**
 * The statement that records a version, or takes it out of the record. Where the server says in which
 * schema the table is, and a script has changed its mind, it is found as dbmate finds it.
 */
export function recording(
  action: "up" | "down",
  version: string,
  { asFound = false } = {},
): string {
  const write = (table: string, version: string) =>
    action === "up"
      ? `insert into ${table} (version) values (${version})`
      : `delete from ${table} where version = ${version}`;
  const { schema, name } = versionsPlace();
  if (schema !== undefined || !asFound) return `${write(versionsTableName(), `'${version}'`)};`;
  const literal = `'${name.replaceAll("'", "''")}'`;
  return `do $record$ begin
  execute format('${
    write("%I.%I", "%L")
  }', coalesce(current_schema(), 'public'), ${literal}, '${version}');
end $record$;`;
}

/** The versions' table as a piece of a statement. */
export function versionsTableSql(): Statement {
  return new Statement([versionsTableName()], []);
}

/** The ledger as a piece of a statement. */
export function ledgerSql(): Statement {
  return new Statement([ledgerName()], []);
}

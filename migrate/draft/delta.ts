import { extract } from "@supabase/pg-delta/extract";
import { plan } from "@supabase/pg-delta/plan";
import { type Database, sql, Statement } from "../../postgres/mod.ts";
import { Failure } from "../command.ts";
import { bookkeeping } from "../catalog/bookkeeping.ts";
import { asWeWrite, namesOf, sqlPattern, withoutPublic } from "../files/sql_text.ts";
import { withStatedOptions } from "../catalog/options.ts";

/** A statement that leads from one schema to another. */
export interface DraftStatement {
  text: string;
  /** What it makes cannot be used in its own transaction, as a new value of an enum. */
  endsTransaction: boolean;
  /** It cannot run in a transaction. */
  outside: boolean;
}

/** A schema as pg-delta reads it. */
export type Facts = Awaited<ReturnType<typeof extract>>["factBase"];

/** Reads a schema in a session, for a tenth of a second. */
export async function readFacts(db: Database): Promise<Facts> {
  return (await extract(asPool(db))).factBase;
}

/** `to` in the words of `from` where both have a thing of these names, which means the same in both. */
export function inWordsOf(from: Facts, to: Facts, names: ReadonlySet<string>): Facts {
  if (names.size === 0) return to;
  const bare = new Set([...names].map((name) => namesOf(name).join("\0")));
  const facts = to.facts().map((fact) => {
    const { schema, table, name } = fact.id as Record<string, string | undefined>;
    const known = from.get(fact.id);
    const isMeant = bare.has([schema, table, name].filter((part) => part !== undefined).join("\0"));
    return known && isMeant ? { ...fact, payload: known.payload } : fact;
  });
  const Base = to.constructor as new (...parts: unknown[]) => Facts;
  return new Base(facts, to.edges, to.source, to.referenceOnly);
}

/** Statements that wait for each other. */
class Cycle extends Failure {
  override name = "Cycle";
  /** The tables that are to go and to be made anew, among other things. */
  readonly replaced: string[];

  constructor(said: string) {
    super(
      `no draft leads there: these statements wait for each other:${said}; ` +
        "give the steps that are missing as a migration with --hint <file>",
    );
    const gone = said.matchAll(sqlPattern("^ *DROP TABLE (<path>)$", "gm"));
    this.replaced = [...gone].flatMap(([, table]) =>
      said.includes(`  CREATE TABLE ${table} `) ? table! : []
    );
  }
}

/**
 * The statements that turn one schema into another, the one of `db`, as pg-delta drafts them. Where
 * what changes in a table waits for the table that is made in its place, that goes first, with all
 * that stands on it.
 */
export async function difference(
  db: Database,
  from: Facts,
  to: Facts,
): Promise<DraftStatement[]> {
  try {
    return await planned(db, from, to);
  } catch (error) {
    if (!(error instanceof Cycle) || error.replaced.length === 0) throw error;
    const without = await factsWithout(db, error.replaced);
    return [...await planned(db, from, without), ...await planned(db, without, to)];
  }
}

/** The schema of a database as it is without some tables, which stay there. */
async function factsWithout(db: Database, tables: string[]): Promise<Facts> {
  await db.script("begin");
  try {
    for (const table of tables) await db.script(`drop table ${table} cascade`);
    return (await extract(asPool(db, true))).factBase;
  } finally {
    await db.script("rollback");
  }
}

async function planned(db: Database, from: Facts, to: Facts): Promise<DraftStatement[]> {
  const assumedRoles = (await db.query<{ rolname: string }>(sql`select rolname from pg_roles`))
    .map(({ rolname }) => rolname);
  const options = {
    scope: "database",
    assumedRoles,
    renames: "off",
  } as Parameters<typeof plan>[2];
  let actions;
  try {
    ({ actions } = plan(from, to, options));
  } catch (error) {
    const { message } = error as Error;
    const [, said] = /^dependency cycle among [^\n]*:(\n[^]*)$/m.exec(message) ?? [];
    if (said) throw new Cycle(said);
    throw new Failure(
      `no draft leads there: ${message}; ` +
        "give the steps that are missing as a migration with --hint <file>",
    );
  }
  return actions.filter(({ sql: text }) => !isBookkeeping(text) && !isMasked(text)).map((
    { sql: text, transactionality },
  ) => ({
    text: text.trim().replace(/;$/, ""),
    endsTransaction: transactionality === "commitBoundaryAfter",
    outside: transactionality === "nonTransactional",
  }));
}

/**
 * Of an option that may be a secret pg-delta writes a placeholder, which would be applied as if it
 * were the value. What is none is repaired; of what is one, throws a Failure that names it.
 */
function isMasked(text: string): boolean {
  if (/'[^']*__CONN_\w+__/.test(text)) {
    const [, name] = sqlPattern(" SUBSCRIPTION (<name>)").exec(text) ?? [];
    throw new Failure(
      `the connection of the subscription ${name} may hold a password, and no draft holds one: ` +
        "make it by a migration of your own, which --hint <file> gives",
    );
  }
  const options = [...text.matchAll(/'__OPTION_(\w+)__'/g)].map(([, name]) => name!.toLowerCase());
  const option = options.find((name) => /pass|secret|token|key/.test(name));
  // Nothing else makes the table.
  if (!option) return options.length > 0 && !text.startsWith("CREATE FOREIGN TABLE ");
  const [, object] =
    /^(?:CREATE|ALTER) ([^(]*?) (?:FOREIGN DATA WRAPPER .*)?OPTIONS /i.exec(text) ??
      [];
  throw new Failure(
    `the option ${option} of the ${asWeWrite(withoutPublic(object ?? "object"))} is a secret, ` +
      "and no draft holds one: make it by a migration of your own, which --hint <file> gives",
  );
}

/** What is about the record of migrations, which is no part of the schema. */
function isBookkeeping(text: string): boolean {
  const tables = bookkeeping.map((name) => `"?${RegExp.escape(name)}"?`).join("|");
  return sqlPattern(
    `^(?:(?:CREATE|DROP|ALTER|COMMENT ON) TABLE|(?:GRANT|REVOKE) [^"]* ON(?: TABLE)?) (?:<name>\\.)?(?:${tables})(?!\\w)`,
  ).test(text);
}

type Pool = Parameters<typeof extract>[0];

/**
 * What pg-delta takes for a pool of the `pg` driver. A server's own options it must not see. In a
 * transaction that is open it begins none.
 */
function asPool(db: Database, isInTransaction = false): Pool {
  const query = async (text: string) => ({
    rows: isInTransaction && /^(BEGIN|COMMIT|ROLLBACK)\b/.test(text)
      ? []
      : (await db.query<Row>(verbatim(text))).map(asItReads),
  });
  const client = { query, release() {}, on() {}, off() {}, removeListener() {} };
  return { query, connect: () => Promise.resolve(client) } as unknown as Pool;
}

type Row = Record<string, unknown>;

/** pg-delta compares what pg_class lists of a relation, and an index's definition. */
function asItReads(row: Row): Row {
  const { reloptions, def, replica_identity, replica_identity_index } = row;
  return {
    ...row,
    // An index that is gone identifies nothing.
    ...replica_identity === "i" && !replica_identity_index && { replica_identity: "n" },
    ...Array.isArray(reloptions) && { reloptions: reloptions.filter((o) => !/^pg_/.test(o)) },
    ...typeof def === "string" && /^(CREATE (UNIQUE )?INDEX|EXCLUDE) /.test(def) &&
      { def: withStatedOptions(def) },
  };
}

/** A text without parameters as a statement. */
function verbatim(text: string): Statement {
  return new Statement([text], []);
}

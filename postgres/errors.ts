/** The server refused the statement, which changed nothing. The fields are PostgreSQL's own. */
export class DatabaseError extends Error {
  override name = "DatabaseError";
  constructor(
    message: string,
    /** SQLSTATE, five characters. */
    readonly code: string,
    readonly constraint: string | undefined,
    readonly fields: Record<string, string | undefined>,
  ) {
    super(message);
  }
}

/** SQLSTATEs of a prepared statement that the server does not have, or has already. */
export const unprepared = new Set(["26000", "42P05"]);

/** SQLSTATE of a write that a replica refuses, of a statement that was stopped, of what is not known. */
export const sqlState = { readOnly: "25006", interrupted: "57014", unsupported: "0A000" };

/** SQLSTATE of a violated constraint. */
const violation = /^23/;

/** SQLSTATE by what the message calls the violated constraint. */
const violations: Record<string, string> = {
  "violates unique": "23505",
  "violates foreign key": "23503",
  "violates check": "23514",
  "violates exclusion": "23P01",
  "violates not-null": "23502",
};

/**
 * The error as PostgreSQL would have it. Of a constraint that is violated on a node, Citus passes on no
 * more than the message, where it copied rows there not even the SQLSTATE (XX000). So both are what
 * the message says; a shard's names end in its number.
 */
export function refusalOf(error: { code: string; message: string }): DatabaseError {
  const { message } = error;
  const named = (kind: string) =>
    new RegExp(`\\b(?:${kind}) "(.+?)(?:_\\d{6,})?"`).exec(message)?.[1];
  const said = /violates [a-z -]+?(?= constraint)/.exec(message)?.[0] ?? "";
  const code = error.code === "XX000" ? violations[said] ?? error.code : error.code;
  let fields = { ...error, code } as unknown as DatabaseError["fields"];
  if (violation.test(code) && !fields.schema_name) {
    fields = {
      ...fields,
      table_name: named("relation|table"),
      column_name: named("column"),
      constraint_name: named("constraint"),
    };
  }
  return new DatabaseError(message, code, fields.constraint_name, fields);
}

/** There was no connection, or it broke. Whether the statement took effect is unknown. */
export class Unreachable extends Error {
  override name = "Unreachable";
  constructor(
    message: string,
    /** SQLSTATE where the server said why, such as 28P01, else the system's word, as ECONNREFUSED. */
    readonly code?: string,
  ) {
    super(message);
  }
}

/**
 * Runs it again where it was undone by what this is about, such as a row that another statement has
 * made meanwhile: then it finds that row. Throws what the last try throws.
 */
export async function retriedOn<Result>(
  isExpected: (error: DatabaseError) => boolean,
  run: () => Result | Promise<Result>,
  tries = 2,
): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    if (tries === 1 || !(error instanceof DatabaseError && isExpected(error))) throw error;
    return retriedOn(isExpected, run, tries - 1);
  }
}

/** No answer within the deadline. The statement was cancelled and its connection thrown away. */
export class DeadlinePassed extends Error {
  override name = "DeadlinePassed";
}

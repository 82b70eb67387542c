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

/** SQLSTATE of a violated constraint. */
const violation = /^23/;

/**
 * The fields of an error. Of a constraint that is violated on a node, Citus passes on no more than
 * the message, so that its fields are what the message names; a shard's names end in its number.
 */
export function fieldsOf(error: { code: string; message: string }): DatabaseError["fields"] {
  const fields = error as unknown as DatabaseError["fields"];
  if (!violation.test(error.code) || fields.schema_name) return fields;
  const named = (kind: string) =>
    new RegExp(`\\b(?:${kind}) "(.+?)(?:_\\d{6,})?"`).exec(error.message)?.[1];
  return {
    ...fields,
    table_name: named("relation|table"),
    column_name: named("column"),
    constraint_name: named("constraint"),
  };
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

/** No answer within the deadline. The statement was cancelled and its connection thrown away. */
export class DeadlinePassed extends Error {
  override name = "DeadlinePassed";
}

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

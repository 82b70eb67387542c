import type { Context } from "hono";
import { type Database, DeadlinePassed, type Statement } from "../postgres/mod.ts";
import type { Handler } from "./_step.ts";

/** Whom a request comes from, as server.ts hands it over. */
interface Peer {
  /** Called when its caller hangs up. */
  leave?: () => void;
  /** Its caller hung up while it waited for its turn. */
  gone?: boolean;
}

/** Of the handler that is being called. It sends its one statement before it waits for anything. */
let current: Peer | undefined;

/** The handler, whose statement stops when its caller hangs up, and is not begun after that. */
export function cancellable(handler: Handler): Handler {
  return (c: Context) => {
    if (c.env?.gone) throw new DeadlinePassed("its caller hung up");
    current = c.env;
    try {
      return handler(c);
    } finally {
      current = undefined;
    }
  };
}

/** The database as such a handler asks it. */
export function cancelOnDisconnect(db: Database): Database {
  const heeding = (kind: "query" | "read") => <Row>(statement: Statement) => {
    const peer = current;
    return db[kind]<Row>(statement, peer && ((stop) => peer.leave = stop));
  };
  return { ...db, query: heeding("query"), read: heeding("read") };
}

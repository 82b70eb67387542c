import type { Ask } from "./prepared.ts";
import type { Connection } from "./unit.ts";

/** What the pool is at, for the metrics. */
export interface PoolStats {
  /** Connections at most. */
  size: number;
  /** Connections that are open, and those of them that are at work. */
  open: number;
  busy: number;
  /** Statements that wait for a connection, and those that were sent and are not answered. */
  waiting: number;
  underWay: number;
}

export function statsOf(size: number, clients: Connection[], waiting: number): PoolStats {
  const sent = clients.map(({ underWay }) => underWay.size).filter((n) => n > 0);
  const underWay = sent.reduce((all, n) => all + n, 0);
  return { size, open: clients.length, busy: sent.length, waiting, underWay };
}

/** What a pool is given; times in milliseconds. */
export interface PoolOptions {
  size: number;
  deadlineMs: number;
  idleMs: number;
  applicationName: string;
  session: boolean;
  warn: (text: string) => void;
  /** Finds out whether the pooler in between keeps what is prepared through it. */
  keepsStatements?: Ask;
}

import type { Ask } from "./prepared.ts";

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

import type { DatabaseError } from "./errors.ts";
import type { Prepared } from "./prepared.ts";
import type { DatabaseSettings } from "./settings.ts";
import type { Unit } from "./unit.ts";
import type { Work } from "./work.ts";

/** What a client tells the pool that it is of. */
export interface Owner<Client> {
  readonly settings: DatabaseSettings;
  readonly applicationName: string;
  readonly session: boolean;
  readonly prepared: Prepared;
  /** Is told how long the answers take that come on an open connection. */
  readonly work: Work;
  /** The unit's answer is there. */
  succeeded(unit: Unit, raw: unknown): void;
  /** The server refused the unit, which did nothing; `unclear`, if it may not be its own fault. */
  refused(unit: Unit, error: DatabaseError, unclear: boolean): void;
  /**
   * The unit's connection broke, or never was: `sent` says that it may have been done. Also of one
   * whose caller was told before.
   */
  lost(unit: Unit, error: Error, sent: boolean): void;
  /** There is room for another unit. */
  free(): void;
  /** The client takes nothing more; `losing`, if it never opened: its unit, not sent, is told of next. */
  left(client: Client, end: Promise<void>, losing: boolean): void;
}

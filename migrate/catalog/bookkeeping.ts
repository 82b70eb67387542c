import { versionsTable } from "../bookkeeping.ts";

/** The tables that record migrations. They are no part of the schema: leave them out of any comparison. */
export const bookkeeping: readonly string[] = [versionsTable().name, "migration_ledger"];

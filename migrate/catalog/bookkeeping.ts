/** The tables that record migrations. They are no part of the schema: leave them out of any comparison. */
export const bookkeeping = ["schema_migrations", "migration_ledger"] as const;

import { Statement } from "../postgres/mod.ts";
import { environment } from "./project.ts";

/** Where dbmate records versions: DBMATE_MIGRATIONS_TABLE, which may name a schema. */
export function versionsTable(): { schema?: string; name: string } {
  const [last, schema] = (environment().DBMATE_MIGRATIONS_TABLE || "schema_migrations")
    .split(".").reverse();
  return { schema, name: last! };
}

/** The same as SQL has to have it. */
export function versionsTableName(): string {
  const { schema, name } = versionsTable();
  const quote = (part: string) => /^[a-z_]+$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`;
  return schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`;
}

/** The same as a piece of a statement. */
export function versionsTableSql(): Statement {
  return new Statement([versionsTableName()], []);
}

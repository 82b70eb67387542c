import type { DatabaseSettings } from "../../postgres/settings.ts";
import { connectPatiently, testServer } from "../../tests/support/database.ts";
import { sql } from "../../postgres/mod.ts";

/** The oracle: pg_dump shares no code with the catalog's reader. */
const program = "/usr/lib/postgresql/15/bin/pg_dump";

/** Whether this machine has it, and the test server is not newer than it. */
export async function dumps(): Promise<boolean> {
  try {
    await Deno.stat(program);
  } catch {
    return false;
  }
  const db = connectPatiently(testServer(), { size: 1 });
  try {
    const [row] = await db.query<{ version: string }>(
      sql`select current_setting('server_version_num') as version`,
    );
    return Number(row!.version) < 160000;
  } finally {
    await db.close();
  }
}

/** The schema as pg_dump writes it, without what is psql's and not SQL. */
export async function dump(settings: DatabaseSettings): Promise<string> {
  const { host, port, user, password, database } = settings;
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: ["--schema-only"],
    env: {
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: user,
      PGPASSWORD: typeof password === "string" ? password : "",
      PGDATABASE: database,
      PGSSLMODE: "disable",
    },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(text(stderr));
  return text(stdout).replace(/^\\(un)?restrict\b.*$/gm, "");
}

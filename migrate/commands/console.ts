import { type Command, exit, Failure } from "../command.ts";
import type { DatabaseSettings } from "../../postgres/settings.ts";
import { environment } from "../project.ts";
import { openTarget } from "../target.ts";

export const command: Command = {
  name: "console",
  usage: "[-- <psql options>]",
  description: "Opens psql on the database. What follows -- goes to psql.",
  example: "console\nconsole -- -c 'table schema_migrations'",
  arguments: [0, 100],
  options: {},
  async run({ positionals }) {
    await using target = await openTarget();
    // Ctrl-C is for the statement in psql, not for us.
    const ignore = () => {};
    Deno.addSignalListener("SIGINT", ignore);
    try {
      const child = new Deno.Command("psql", {
        args: positionals,
        env: variables(target.settings),
      }).spawn();
      return (await child.status).code;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Failure(
        "there is no psql on PATH: install PostgreSQL's client programs (Debian: postgresql-client, Homebrew: libpq)",
        exit.usage,
      );
    } finally {
      Deno.removeSignalListener("SIGINT", ignore);
    }
  },
};

/** For libpq. The password goes through the environment, which no other user can read. */
function variables({ host, port, database, user, password, tls }: DatabaseSettings) {
  return {
    PGHOST: host,
    PGPORT: String(port),
    PGDATABASE: database,
    PGUSER: user,
    ...password && { PGPASSWORD: password },
    PGSSLMODE: { off: "disable", verified: "verify-full", unverified: "require" }[tls],
    ...tls === "verified" && { PGSSLROOTCERT: environment().PGSSLROOTCERT || "system" },
  };
}

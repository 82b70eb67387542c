/** What Slate hands to its migrations command, which knows nothing of Slate: migrate/README.md. */
import type { Config } from "./migrate/config.ts";
import { noteLostKey } from "./tasks/dev_key.ts";
import { development } from "./tasks/environment.ts";
import { grant } from "./tasks/grants.ts";
import { checkQueries } from "./tasks/queries.ts";
import { seed } from "./tasks/seed.ts";

export default {
  command: "deno task db",
  profile: "strict",
  /** When it is asked for: the tests run many commands in one process, each in its own environment. */
  get development() {
    return development();
  },
  // Of db/roles.sql; db/grants.sql says what they may.
  serverRoles: ["slate_owner", "slate_app"],
  afterUp: grant,
  afterChange: noteLostKey,
  seed,
  checkQueries,
} satisfies Config;

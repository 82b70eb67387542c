import { exit, Failure } from "../command.ts";
import { project } from "../project.ts";
import type { Migration } from "./migrations.ts";

/** The migrations whose history is accepted as it is, and those that are judged. */
export interface Parted {
  history: Migration[];
  judged: Migration[];
}

/** Parts migrations at the baseline, the newest version that is accepted, or at another one. */
export function partAtBaseline(
  migrations: Migration[],
  baseline = project.config.baseline ?? "",
): Parted {
  return {
    history: migrations.filter(({ version }) => version <= baseline),
    judged: migrations.filter(({ version }) => version > baseline),
  };
}

/** The version that a version, the start of one, a name or `head` means. Throws a Failure. */
export function versionOf(wanted: string, migrations: Migration[]): string {
  // Not the last file: dbmate runs 2_b.sql after 2024_a.sql, whose number is the newer one to us.
  if (wanted === "head" && migrations.length > 0) {
    return migrations.map(({ version }) => version).sort().at(-1)!;
  }
  const bare = wanted.split(/[\\/]/).pop()!.replace(/\.sql$/, "");
  const exact = migrations.find(({ version, name }) =>
    [version, name, `${version}_${name}`].includes(bare)
  );
  const near = exact ? [exact] : migrations.filter(({ version }) => version.startsWith(bare));
  if (near.length === 1) return near[0]!.version;
  throw new Failure(
    `${wanted} is ${
      near.length === 0 ? "no migration" : "the start of several"
    } here: \`${project.command} status\` lists them`,
    exit.usage,
  );
}

import { join } from "node:path";
import type { Context } from "../command.ts";
import { counted, type Finding } from "../finding.ts";
import type { Parted } from "../files/baseline.ts";
import { type Migration, migrationsDir } from "../files/migrations.ts";
import { project } from "../project.ts";
import { ReplayFailure } from "../proof/replay.ts";
import { failed, roundTrip } from "../proof/round_trip.ts";
import { lint } from "../proof/squawk.ts";
import { openStage, type Stage } from "../proof/stage.ts";
import type { TableShape } from "../proof/rows_query.ts";
import { withRows } from "../proof/with_rows.ts";
import { measuredBy } from "../rules.ts";
import { openScratch, type Scratch } from "../scratch.ts";
import { needsServerAlone } from "../scratch_roles.ts";
import { checkSchemaFile } from "./schema_file.ts";
import { buildWhole } from "./whole.ts";

/**
 * Everything that scratch servers tell of migrations, of which the history is only built.
 * The proofs run side by side: on one server, or, where migrations touch roles, which belong to a
 * server as a whole, on one each.
 */
export async function prove(
  parted: Parted,
  { say, progress }: Pick<Context, "say" | "progress">,
): Promise<Finding[]> {
  const { history, judged: migrations } = parted;
  const all = [...history, ...migrations];
  progress("starting a scratch server");
  await using servers = await openServers(all);
  let done = 0;
  const onProven = ({ file }: Migration) => progress(`${++done} of ${migrations.length}: ${file}`);
  const built = Promise.withResolvers<TableShape[] | undefined>();
  built.promise.catch(() => {});
  const queries = servers.on(async (scratch) => {
    const whole = await scratch.create();
    const building = buildWhole(whole, parted);
    built.resolve(building);
    const { checkQueries } = project.config;
    if (!await building || !checkQueries || !isOwn()) return [];
    return await checkQueries(await scratch.create(), whole);
  });
  queries.catch(built.reject);
  let probed: ReadonlySet<string> = new Set();
  const [trip, rows, squawk, schema, misfits] = await settled([
    servers.onStage(
      history,
      migrations,
      (stage) => roundTrip(stage, history, migrations, onProven),
    ),
    built.promise.then((shapes) =>
      servers.onStage(history, migrations, async (stage) => {
        const result = await withRows(stage, history, migrations, shapes ?? []);
        const { findings, unfilled } = result;
        probed = new Set(result.probed);
        const once = new Map(unfilled.map(({ table, reason }) => [table, reason]));
        // A table without rows leaves those without any that refer to it.
        for (const [reason, tables] of Map.groupBy(once.keys(), (table) => once.get(table)!)) {
          const empty = tables.length === 1 ? "it" : "them";
          const names = tables.join(", ");
          say(
            `note: no row could be made for ${names} (${reason}): proven with ${empty} empty only`,
          );
        }
        return findings;
      })
    ),
    lint(migrations),
    servers.on((scratch) => checkSchemaFile(scratch, parted)),
    queries,
  ]);
  const unfit = misfits.map((misfit) => ({ ...misfit, rule: "queries" }));
  const guesses = squawk.filter(({ path, rule }) =>
    measuredBy[rule] !== "scan-under-lock" || !probed.has(path)
  );
  return [...withoutRepetition(trip, rows, guesses), ...schema, ...unfit];
}

/** All of them, or what failed first, once none is at work any more: each clears away behind it. */
async function settled<Results extends unknown[]>(
  works: { [Work in keyof Results]: Promise<Results[Work]> },
): Promise<Results> {
  try {
    return await Promise.all(works) as Results;
  } finally {
    await Promise.allSettled(works);
  }
}

/** What is found by several proofs is said once, by the one that knows most. */
function withoutRepetition(trip: Finding[], rows: Finding[], squawk: Finding[]): Finding[] {
  const place = ({ path, line }: Finding) => `${path}:${line}`;
  // What fails on empty tables too needs no second mention.
  const known = new Set(trip.filter(({ rule }) => /fails/.test(rule)).map(place));
  const measured = rows.filter((finding) => !known.has(place(finding)));
  const guessed = squawk.filter((guess) =>
    !rows.some((finding) =>
      finding.rule === measuredBy[guess.rule] && place(finding) === place(guess)
    )
  );
  return [...trip, ...measured, ...guessed];
}

/** Whether the migrations are the project's: only these are what its queries were written for. */
function isOwn(): boolean {
  return migrationsDir() === join(project.root, "db", "migrations");
}

interface Servers extends AsyncDisposable {
  on<Result>(work: (scratch: Scratch) => Promise<Result>): Promise<Result>;
  /** The same with the history built; where that fails, this is what is found. */
  onStage(
    history: Migration[],
    migrations: Migration[],
    work: (stage: Stage) => Promise<Finding[]>,
  ): Promise<Finding[]>;
}

async function openServers(all: Migration[]): Promise<Servers> {
  const shared = await needsServerAlone(all) ? undefined : await openScratch({ migrations: all });
  const on = async <Result>(work: (scratch: Scratch) => Promise<Result>): Promise<Result> => {
    if (shared) return await work(shared);
    await using own = await openScratch({ migrations: all });
    return await work(own);
  };
  return {
    on,
    onStage: (history, migrations, work) =>
      on(async (scratch) => {
        let stage;
        try {
          stage = await openStage(scratch, history);
        } catch (error) {
          const unproven = migrations.length > 0
            ? `; nothing behind the baseline is proven, ${counted(migrations.length, "migration")}`
            : "";
          return [brokenHistory(history, error, unproven)];
        }
        try {
          return await work(stage);
        } finally {
          await stage.close();
        }
      }),
    [Symbol.asyncDispose]: async () => await shared?.[Symbol.asyncDispose](),
  };
}

/** The baseline accepts what it cannot judge, but what comes after it needs something to stand on. */
function brokenHistory(history: Migration[], error: unknown, unproven: string): Finding {
  if (!(error instanceof ReplayFailure)) throw error;
  const migration = history.find(({ path }) => path === error.path)!;
  const remedy =
    "let it run on an empty database, or let `prepare` in the configuration make what " +
    `it expects: all others stand on it${unproven}`;
  return failed(migration, error, "history-fails", remedy);
}

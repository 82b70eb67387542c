import { basename, dirname, join } from "node:path";
import { compareNormalized } from "../catalog/normalize.ts";
import { type Command, type Context, exit, Failure, text } from "../command.ts";
import { draft, type DraftPart, withSession } from "../draft/draft.ts";
import { comment, inWords, lockLine } from "../draft/text.ts";
import { checkForm } from "../files/form.ts";
import { parseBlock } from "../files/grammar.ts";
import { formatFinding } from "../finding.ts";
import { parse, shownPath } from "../files/migrations.ts";
import { namesOf } from "../files/sql_text.ts";
import { fileName, writeMigration } from "../files/numbering.ts";
import { type Proof, proveDraft } from "../draft/proof.ts";
import { readRename, renameCandidates, renameSteps, type Steps } from "../draft/renames.ts";
import { openSources, readNamed, readSource } from "../draft/sources.ts";
import { openScratch } from "../scratch.ts";

export const command: Command = {
  name: "diff",
  usage: "<name> [--rename users.age=years_old]... [options]",
  description: `\
Drafts a migration, up and down, from the difference between what the migrations build and
schema.sql. The draft is run, with rows in the tables, before it is written: what it cannot do, and
what it loses, is said. A rename looks like a drop and an addition: say it by --rename. Steps that
only a person can know come from a migration file, by --hint. Nothing to do: exit 0 and no file.`,
  example: `\
diff add_users_email
diff rename_age --rename users.age=years_old
diff back --from database --to migrations --stdout`,
  arguments: [1, 1],
  options: {
    from: {
      type: "string",
      value: "source",
      summary: "a URL, a .sql file, database; or migrations, the usual one",
    },
    to: { type: "string", value: "source", summary: "the same; usually schema.sql" },
    rename: {
      type: "string",
      multiple: true,
      value: "old=new",
      summary: "users.age=years_old for a column, users=people for a table",
    },
    hint: { type: "string", value: "file", summary: "a migration with the steps to begin with" },
    stdout: { type: "boolean", summary: "print it instead of writing it" },
  },
  async run(context) {
    const name = fileName(context.positionals[0]!);
    const hint = text(context, "hint") ? await readHint(text(context, "hint")!) : undefined;
    context.progress("building both schemas on a scratch server");
    await using start = await readSource(text(context, "from") ?? "migrations");
    await using goal = await readSource(text(context, "to") ?? "schema");
    await using scratch = await openScratch({
      migrations: [...start.migrations, ...goal.migrations],
      scripts: [...start.scripts, ...goal.scripts, ...hint?.up ?? [], ...hint?.down ?? []],
    });
    const [from, to] = await openSources(scratch, start, goal);
    for (const { name, ignored } of [from, to]) {
      if (ignored.length === 0) continue;
      context.say(
        `${name} has what the scratch server does not know, and it is left out: ` +
          `${ignored.join(", ")}; SCRATCH_DATABASE_URL names a server that knows it`,
      );
    }
    const [before, after] = [from.catalog.definitions, to.catalog.definitions];
    const differences = (await withSession(
      from.settings,
      (db) => compareNormalized(db, to.catalog, from.catalog),
    ))
      .map((d) => ({ ...d, expected: d.found, found: d.expected }));
    if (differences.every(({ kind }) => kind === "column order") && !hint) {
      context.say(`${from.name} and ${to.name} are equal: nothing to do`);
      return exit.done;
    }
    const renames = (context.options.rename ?? []) as string[];
    const steps = renames.map((rename) => renameSteps(rename, before));
    const known: Steps = {
      up: [...steps.flatMap(({ up }) => up), ...hint?.up ?? []],
      down: [...hint?.down ?? [], ...steps.toReversed().flatMap(({ down }) => down)],
    };
    const renamed = renames.map(readRename).flatMap(({ path, name }) => [
      path.join("\0"),
      [...path.slice(0, -1), name].join("\0"),
    ]);
    const others = differences.filter(({ name }) =>
      !renamed.includes(namesOf(name.replace(/^public\./, "")).join("\0"))
    );
    context.progress("drafting");
    const parts = await draft(scratch, from, to, known);
    context.progress("running the draft with rows in the tables");
    const proof = await proveDraft(from, to, parts);
    return await deliver(context, name, parts, proof, {
      words: [...renames.map((rename) => `renames ${rename.replace("=", " to ")}`), inWords(others)]
        .filter((words) => words !== "").join(", "),
      candidates: renames.length > 0 ? [] : renameCandidates(before, after),
    });
  },
};

interface Summary {
  words: string;
  candidates: string[];
}

/** Writes or prints the draft, and says what a person must know about it. */
async function deliver(
  context: Context,
  name: string,
  parts: DraftPart[],
  proof: Proof,
  { words, candidates }: Summary,
): Promise<number> {
  for (const candidate of candidates) {
    context.say(`is it a rename? then run it again with --rename ${candidate}`);
  }
  if (proof.upLoses.length > 0) context.say(`up loses ${proof.upLoses.join(", ")}`);
  if (proof.downLoses.length > 0) context.say(`down loses ${proof.downLoses.join(", ")}`);
  const filesWith = (faults: string[]) =>
    parts.map((part, i) => fileText(part, proof, i, i === parts.length - 1, words, faults));
  const faults = [
    ...proof.up,
    ...proof.down,
    ...(await Promise.all(filesWith([]).map(misread))).flat(),
  ];
  for (const fault of faults) context.say(fault);
  for (const which of new Set(proof.upStops.flat())) context.say(`up stops ${which}`);
  for (const which of new Set(proof.downStops.flat())) context.say(`down stops ${which}`);
  const names = parts.map((_, i) => parts.length === 1 ? name : `${name}_${i + 1}`);
  const files = filesWith(faults);
  if (context.options.stdout) {
    for (const [i, file] of files.entries()) {
      if (files.length > 1) context.print(`-- file: ${names[i]}`);
      context.print(file.trimEnd());
    }
  }
  if (faults.length > 0) {
    context.say(
      "the draft is not done, and nothing was written: give what is missing as a migration with " +
        "--hint <file>, or take what --stdout prints and finish it by hand",
    );
    return exit.found;
  }
  if (context.options.stdout) return exit.done;
  for (const [i, file] of files.entries()) {
    context.print(shownPath(await writeMigration(names[i]!, file)));
  }
  return exit.done;
}

/** What dbmate takes for something else, as a line of a text that looks like a directive. */
async function misread(file: string): Promise<string[]> {
  const { migration, findings } = parse("0_draft.sql", new TextEncoder().encode(file));
  return [...findings, ...migration ? await checkForm(migration) : []]
    .map(({ message }) => `dbmate would misread the file: ${message}`);
}

function fileText(
  { up, down, outside }: DraftPart,
  proof: Proof,
  index: number,
  last: boolean,
  words: string,
  faults: string[],
): string {
  const option = outside ? " transaction:false" : "";
  const header = [
    ...faults.length > 0 ? [comment(`NOT DONE: ${faults.join("; ").replaceAll("\n", " ")}`)] : [],
    comment(`Why: say it here. Drafted: ${words}.`),
    // Of what did not run to its end nothing is known.
    ...faults.length > 0 ? [] : known(proof, index, last),
  ];
  return `${header.join("\n")}

-- migrate:up${option}
${up.join("\n\n")}

-- migrate:down${option}
${down.length > 0 ? down.join("\n\n") : "select 'nothing to revert';"}
`;
}

/** What the proof has found out of one part. */
function known(proof: Proof, index: number, last: boolean): string[] {
  const loses = (part: "up" | "down", lost: string[]) =>
    comment(`${part} loses ${lost.length > 0 && last ? withPlaces(lost) : "nothing"}`);
  return [
    comment(`lock: ${lockLine(proof.effects[index] ?? [])}`),
    ...proof.upLoses.length > 0 && last ? [loses("up", proof.upLoses)] : [],
    ...stops("up", proof.upStops[index]),
    ...stops("down", proof.downStops[index]),
    loses("down", proof.downLoses.length > 0 ? proof.downLoses : proof.upLoses.filter(isColumn)),
  ];
}

/** Which rows stop a direction. */
function stops(part: "up" | "down", rows: string[] = []): string[] {
  return rows.map((which) => comment(`${part} stops ${which}`));
}

const isColumn = (lost: string) => lost.startsWith("column ");

/** A column that comes back comes last, and empty. */
function withPlaces(lost: string[]): string {
  return lost.some(isColumn)
    ? `${lost.join(", ")}, with the place among the columns`
    : lost.join(", ");
}

/** The statements of a hint, which is a migration like any other. Throws a Failure. */
async function readHint(path: string): Promise<Steps> {
  const bytes = await readNamed(path, `--hint ${path} is not there`);
  // A hint needs no number of its own.
  const { migration, findings } = parse(join(dirname(path), `0_${basename(path)}`), bytes);
  if (!migration) {
    const named = findings.map((finding) => formatFinding({ ...finding, path: shownPath(path) }));
    throw new Failure(named.join("\n"), exit.usage);
  }
  const statements = async (part: "up" | "down") =>
    (await parseBlock(migration[part])).map((statement) => statement.text.replace(/;\s*$/, ""));
  return { up: await statements("up"), down: await statements("down") };
}

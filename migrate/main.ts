/** The migrations command: the overview, the help and the way to the one file of each command. */
import { parseArgs } from "node:util";
import { DatabaseError, DeadlinePassed, Unreachable } from "../postgres/mod.ts";
import { EmbeddedError } from "../embedded/mod.ts";
import {
  type Command,
  type Context,
  exit,
  Failure,
  nearest,
  type Option,
  paint,
  table,
} from "./command.ts";
import { openProject, project } from "./project.ts";

interface Entry {
  summary: string;
  load(): Promise<{ command: Command }>;
}

/** In the order in which one meets them. Loaded when called, so that each starts fast. */
const commands: Record<string, Entry> = {
  new: {
    summary: "write the file of a new migration",
    load: () => import("./commands/new.ts"),
  },
  up: {
    summary: "apply what is pending, under a lock, after a check of the files",
    load: () => import("./commands/up.ts"),
  },
  down: {
    summary: "revert the newest migration, or down to a target",
    load: () => import("./commands/down.ts"),
  },
  redo: {
    summary: "revert the newest migration and apply it again",
    load: () => import("./commands/redo.ts"),
  },
  status: {
    summary: "what is applied, pending, edited, missing, out of order, unfinished",
    load: () => import("./commands/status.ts"),
  },
  history: {
    summary: "when each migration was applied or reverted, and by whom",
    load: () => import("./commands/history.ts"),
  },
  show: {
    summary: "one migration: its state, its author, its text",
    load: () => import("./commands/show.ts"),
  },
  stamp: {
    summary: "record what a database has already, after proof that it has it",
    load: () => import("./commands/stamp.ts"),
  },
  adopt: {
    summary: "accept the history of a project as it is, and judge what comes after it",
    load: () => import("./commands/adopt.ts"),
  },
  diff: {
    summary: "draft a migration from the difference of two schemas",
    load: () => import("./commands/diff.ts"),
  },
  check: {
    summary: "prove the migrations: reversible, with rows, safe, and schema.sql equal to them",
    load: () => import("./commands/check.ts"),
  },
  drift: {
    summary: "find what was changed by hand in a live database",
    load: () => import("./commands/drift.ts"),
  },
  schema: {
    summary: "rewrite schema.sql and the diagram from the migrations",
    load: () => import("./commands/schema.ts"),
  },
  branch: {
    summary: "a copy of the development database for a git branch",
    load: () => import("./commands/branch.ts"),
  },
  seed: {
    summary: "put in the demo data",
    load: () => import("./commands/seed.ts"),
  },
  reset: {
    summary: "drop, create, up, seed",
    load: () => import("./commands/reset.ts"),
  },
  console: {
    summary: "psql on the database",
    load: () => import("./commands/console.ts"),
  },
  squash: {
    summary: "one baseline in place of the oldest migrations, proven equal",
    load: () => import("./commands/squash.ts"),
  },
};

/** Runs one command. Returns the exit code; throws only what is a defect of the command itself. */
export async function main(args: string[]): Promise<number> {
  try {
    const { root, others: [name, ...rest] } = takeRoot(args);
    await openProject(root);
    if (name === undefined || name === "--help" || name === "-h" || name === "help") {
      console.log(overview());
      return exit.done;
    }
    const entry = commands[name];
    if (!entry) throw unknown("command", name, Object.keys(commands), project.command);
    const { command } = await entry.load();
    const parsed = parse(command, rest);
    if (parsed === "help") {
      console.log(help(command));
      return exit.done;
    }
    return await command.run({ ...parsed, ...output() });
  } catch (caught) {
    // What went wrong first; that something could not be closed after it says no more.
    const error = caught instanceof SuppressedError ? caught.suppressed : caught;
    const code = exitCode(error);
    if (code === undefined) {
      if (Deno.env.get("MIGRATE_TRACE")) throw error;
      console.error(
        `${project.command}: a defect of the command itself: ${(error as Error).message}; ` +
          "run it again with MIGRATE_TRACE=1 and report what it says",
      );
      return exit.found;
    }
    const remedy = error instanceof DatabaseError
      ? remedies[error.code]
      : error instanceof Unreachable
      ? (await import("./scratch.ts")).scratchRemedy(error)
      : undefined;
    console.error((error as Error).message + (remedy ? `: ${remedy}` : ""));
    return code;
  }
}

/** `--root <folder>`, which may stand before the command's name and behind it. */
function takeRoot(args: string[]): { root?: string; others: string[] } {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const at = args.slice(0, end).findIndex((arg) => /^--root(=|$)/.test(arg));
  if (at === -1) return { others: args };
  const inline = args[at]!.includes("=");
  const root = inline ? args[at]!.slice("--root=".length) : args[at + 1];
  if (!root) throw new Failure("--root needs the folder of the project", exit.usage);
  return { root, others: args.toSpliced(at, inline ? 1 : 2) };
}

/** What the commands of Alembic, Flask-Migrate and dbmate are called here. */
const elsewhere: Record<string, string> = {
  upgrade: "up",
  downgrade: "down",
  rollback: "down",
  migrate: "diff, or up",
  revision: "new, or diff",
  current: "status",
};

/** What to do where the server refuses not the statement, but who sent it or where. */
const remedies: Record<string, string> = {
  "42501": "use the role that applied the migrations, or grant this one the right",
  "25006": "set DATABASE_URL to the primary, or use a role that does not only read",
};

/** The exit code of an expected failure; undefined for a defect. */
export function exitCode(error: unknown): number | undefined {
  if (error instanceof Failure) return error.code;
  if (error instanceof EmbeddedError || error instanceof Unreachable) return exit.unreachable;
  if (error instanceof DeadlinePassed) return exit.unreachable;
  if (error instanceof DatabaseError) return remedies[error.code] ? exit.unreachable : exit.found;
}

function unknown(what: string, name: string, candidates: string[], help: string): Failure {
  const guess = what === "command" && Object.hasOwn(elsewhere, name)
    ? elsewhere[name]
    : nearest(name, candidates);
  return new Failure(
    `unknown ${what} ${name}${
      guess ? `: did you mean ${guess}?` : ""
    }; \`${help}\` lists what there is`,
    exit.usage,
  );
}

function parse(
  command: Command,
  args: string[],
): "help" | Pick<Context, "options" | "positionals"> {
  const helpCommand = `${project.command} ${command.name} --help`;
  // Alembic's users type -2 for two steps.
  const steps = command.options.n
    ? args.flatMap((arg) => /^-\d+$/.test(arg) ? ["-n", arg.slice(1)] : [arg])
    : args;
  const { values, positionals, tokens } = parseArgs({
    args: steps,
    options: { ...command.options, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  if (values.help) return "help";
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const option = command.options[token.name];
    if (!option) {
      const names = Object.keys(command.options).map((known) => `--${known}`);
      throw unknown("option", token.rawName, names, helpCommand);
    }
    if (option.type === "string" && !token.value) {
      throw new Failure(`${token.rawName} needs a value: see \`${helpCommand}\``, exit.usage);
    }
    if (option.type === "boolean" && token.value !== undefined) {
      throw new Failure(`${token.rawName} takes no value: see \`${helpCommand}\``, exit.usage);
    }
  }
  const [min, max] = command.arguments;
  if (positionals.length < min || positionals.length > max) {
    const fault = positionals.length < min ? "too few arguments" : "too many arguments";
    throw new Failure(
      `${fault}: ${project.command} ${command.name} ${command.usage}\nsee \`${helpCommand}\``,
      exit.usage,
    );
  }
  return { options: values as Context["options"], positionals };
}

function output(): Pick<Context, "print" | "say" | "progress"> {
  const live = Deno.stderr.isTerminal();
  let shown = false;
  const write = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text));
  const clear = () => {
    if (shown) write("\r\x1b[K");
    shown = false;
  };
  return {
    print(text) {
      clear();
      console.log(text);
    },
    say(text) {
      clear();
      console.error(text);
    },
    progress(text) {
      if (!live) return;
      clear();
      write(text);
      shown = true;
    },
  };
}

function overview(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => [`  ${name}`, summary]);
  return [
    "The schema and its migrations: db/migrations, applied by dbmate, which also works by hand.",
    "",
    `${
      paint("bold", "Usage")
    }: ${project.command} <command> [options]; --help after a command explains it`,
    "",
    ...table(rows),
    "",
    "The database is DATABASE_URL, or PGHOST and the other PG variables, from the environment or .env;",
    "where none is named, the project's development database, if it has one. DBMATE_MIGRATIONS_DIR",
    "names another folder for the migrations, --root another project than the one of this folder.",
    "Exit codes: 0 done, 1 found something, 2 wrong use, 3 database out of reach, 4 no lock, 128+n signal n.",
  ].join("\n");
}

function help(command: Command): string {
  const rows = Object.entries({
    ...command.options,
    help: { type: "boolean", short: "h", summary: "this text" } satisfies Option,
  } as Record<string, Option>).map(([name, option]) => [
    `  --${name}${option.short ? `, -${option.short}` : ""}${
      option.type === "string" ? ` <${option.value ?? "value"}>` : ""
    }`,
    option.summary,
  ]);
  return [
    `${paint("bold", "Usage")}: ${project.command} ${command.name} ${command.usage}`.trimEnd(),
    "",
    command.description,
    "",
    paint("bold", "Options"),
    ...table(rows),
    "",
    paint("bold", "Example"),
    ...command.example.split("\n").map((line) => `  ${project.command} ${line}`),
  ].join("\n");
}

if (import.meta.main) Deno.exit(await main(Deno.args));

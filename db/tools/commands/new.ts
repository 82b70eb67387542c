import { join } from "node:path";
import { type Command, exit, Failure } from "../command.ts";
import { migrationsDir, shownPath } from "../migration_files.ts";
import { environment } from "../target.ts";

const template = `-- Why: the reason, in a sentence or two.
-- lock: which lock on which table, for how long
-- down loses nothing

-- migrate:up

-- migrate:down
`;

export const command: Command = {
  name: "new",
  usage: "<name> [--edit]",
  description:
    "Writes the file of a new migration, numbered as `dbmate new` numbers it, with the places for\nits reason, its lock and what its down loses. Prints the file's path.",
  example: "deno task db new add_students_email",
  arguments: [1, 1],
  options: { edit: { type: "boolean", summary: "open it in $VISUAL or $EDITOR" } },
  async run({ positionals, options, print }) {
    const name = positionals[0]!.trim().toLowerCase().replaceAll(/[\s-]+/g, "_");
    if (!/^[a-z][a-z0-9_]*$/.test(name)) {
      throw new Failure(
        `"${
          positionals[0]
        }" does not make a file's name: use letters, digits and underscores, such as add_students_email`,
        exit.usage,
      );
    }
    const { VISUAL, EDITOR } = environment();
    const editor = VISUAL || EDITOR;
    if (options.edit && !editor) {
      throw new Failure("--edit needs the name of an editor: set EDITOR", exit.usage);
    }
    const path = await write(name);
    print(shownPath(path));
    if (!options.edit) return exit.done;
    // An editor comes with arguments of its own, as git has it: EDITOR="code --wait".
    const [program, ...args] = editor!.split(" ");
    const child = new Deno.Command(program!, { args: [...args, path] }).spawn();
    return (await child.status).code;
  },
};

/** The file gets the current second as its number, or the next one that is free. */
async function write(name: string): Promise<string> {
  const dir = migrationsDir();
  await Deno.mkdir(dir, { recursive: true });
  const taken = new Set<string>();
  for await (const entry of Deno.readDir(dir)) taken.add(/^\d*/.exec(entry.name)![0]);
  let time = Date.now();
  const number = () => new Date(time).toISOString().replaceAll(/\D/g, "").slice(0, 14);
  while (taken.has(number())) time += 1000;
  const path = join(dir, `${number()}_${name}.sql`);
  await Deno.writeTextFile(path, template, { createNew: true });
  return path;
}

import { type Command, exit, Failure } from "../command.ts";
import { shownPath } from "../files/migrations.ts";
import { fileName, writeMigration } from "../files/numbering.ts";
import { environment } from "../project.ts";

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
  example: "new add_students_email",
  arguments: [1, 1],
  options: { edit: { type: "boolean", summary: "open it in $VISUAL or $EDITOR" } },
  async run({ positionals, options, print }) {
    const name = fileName(positionals[0]!);
    const { VISUAL, EDITOR } = environment();
    const editor = VISUAL || EDITOR;
    if (options.edit && !editor) {
      throw new Failure("--edit needs the name of an editor: set EDITOR", exit.usage);
    }
    const path = await writeMigration(name, template);
    print(shownPath(path));
    if (!options.edit) return exit.done;
    // An editor comes with arguments of its own, as git has it: EDITOR="code --wait".
    const [program, ...args] = editor!.split(" ");
    const child = new Deno.Command(program!, { args: [...args, path] }).spawn();
    return (await child.status).code;
  },
};

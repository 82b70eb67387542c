import { type Command, exit } from "../command.ts";
import { generate, writeGenerated } from "../schema/generated.ts";
import { partAtBaseline } from "../files/baseline.ts";
import { readValidMigrations } from "../files/valid.ts";
import { openScratch } from "../scratch.ts";

export const command: Command = {
  name: "schema",
  usage: "",
  description:
    "Rewrites schema.sql and the diagram in the README beside it from the migrations, on a scratch server.\nWhat is written is proven first: loaded into an empty database it gives the same catalogs.",
  example: "schema",
  arguments: [0, 0],
  options: {},
  async run({ print, say, progress }) {
    const migrations = await readValidMigrations();
    progress("building the schema on a scratch server");
    await using scratch = await openScratch({ migrations });
    const written = await writeGenerated(await generate(scratch, partAtBaseline(migrations)));
    if (written.length === 0) say("schema.sql and the diagram are what the migrations build");
    for (const path of written) print(path);
    return exit.done;
  },
};

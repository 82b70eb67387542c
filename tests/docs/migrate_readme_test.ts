import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { root } from "../support/root.ts";
import { runDb } from "../support/command.ts";
import { createDatabase } from "../support/database.ts";

Deno.test("migrate/README.md: every command beside Flask-Migrate's works as it stands, in the order of the table", async () => {
  const text = await Deno.readTextFile(join(root, "migrate", "README.md"));
  const [, table] = /## Beside Flask-Migrate\n([^]*?)\nA target/.exec(text)!;
  const commands = table!.split("\n").slice(3).flatMap((row) => {
    const cell = row.split(" | ").at(-1)!;
    return [...cell.matchAll(/`dbmate-guard ([^`]+)`/g)].map(([, command]) => command!);
  });
  assert(commands.length > 15);

  await using database = await createDatabase({ empty: true });
  const folder = await Deno.makeTempDir({ prefix: "slate-test-readme-" });
  const migrations = join(folder, "migrations");
  try {
    await Deno.mkdir(migrations);
    for await (const { name } of Deno.readDir(join(root, "db", "migrations"))) {
      await Deno.copyFile(join(root, "db", "migrations", name), join(migrations, name));
    }
    await Deno.copyFile(join(root, "db", "schema.sql"), join(folder, "schema.sql"));
    for (const command of commands) {
      const args = command.split(" ");
      const edit = args.includes("--edit");
      const { code, stdout, stderr } = await runDb(args, {
        settings: database.settings,
        folder,
        ...edit && { env: { VISUAL: "", EDITOR: "true" } },
      });
      assertEquals([command, code], [command, 0], stderr);
      // Nobody fills in the new file, and up refuses what nobody has written.
      if (args[0] === "new") await Deno.remove(stdout.trim());
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

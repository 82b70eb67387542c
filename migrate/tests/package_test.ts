import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { migration, outcome } from "../../tests/support/command.ts";
import { createDatabase } from "../../tests/support/database.ts";
import { root } from "../../tests/support/root.ts";
import { createForeign, denoDir, named } from "./support.ts";

const hasNpm = await new Deno.Command("npm", { args: ["--version"] }).output()
  .then(({ success }) => success, () => false);

const files = {
  "20240101000000_create_cats.sql": migration(
    "create table cats (id int primary key, name text not null);",
    "",
  ),
  "20240102000000_add_age.sql": migration("alter table cats add column age int;", "select 1;"),
};

async function run(program: string, args: string[], options: Deno.CommandOptions) {
  return outcome(await new Deno.Command(program, { args, stdin: "null", ...options }).output());
}

Deno.test({
  name: "the tarball of `npm pack` checks a project that has only db/migrations and .env",
  ignore: !hasNpm,
  async fn() {
    await using database = await createDatabase({ empty: true });
    await using project = await createForeign(files);
    await project.write(".env", `DATABASE_URL=${named(database.settings).DATABASE_URL}\n`);
    // In a copy: it writes beside the sources, which other tests read and copy meanwhile.
    const checkout = join(project.path, "checkout");
    await Deno.mkdir(checkout);
    const parts = ["migrate", "postgres", "embedded", "deno.json", "LICENSE"];
    const from = parts.map((name) => join(root, name));
    const copied = await run("cp", ["-r", ...from, checkout], {});
    assertEquals(copied.code, 0, copied.stderr);
    const packed = await run("npm", ["pack", "--pack-destination", project.path], {
      cwd: join(checkout, "migrate"),
    });
    assertEquals(packed.code, 0, packed.stderr);
    const unpacked = await run("tar", ["xzf", packed.stdout.trim().split("\n").at(-1)!], {
      cwd: project.path,
    });
    assertEquals(unpacked.code, 0, unpacked.stderr);
    const bin = join(project.path, "package", "bin.mjs");
    const guard = (...args: string[]) =>
      run("node", [bin, ...args], { cwd: project.path, env: { DENO_DIR: denoDir, NO_COLOR: "1" } });
    const help = await guard();
    assertMatch(help.stdout, /^Usage: dbmate-guard <command>/m);
    for (const args of [["adopt"], ["check"], ["up"], ["drift"], ["status", "--pending"]]) {
      const { code, stderr } = await guard(...args);
      assertEquals([args[0], code], [args[0], 0], stderr);
    }
    const wrong = await guard("nonsense");
    assertEquals(wrong.code, 2);
    assertMatch(wrong.stderr, /`dbmate-guard` lists what there is/);
  },
});

Deno.test("README: the two minutes of an owner work as they stand, on a project made by dbmate only", async () => {
  const text = await Deno.readTextFile(join(root, "migrate", "README.md"));
  const [, block] = /## Two minutes[^]*?```sh\n([^]*?)```/.exec(text)!;
  const commands = block!.trim().split("\n").map((line) => line.replace("npx dbmate-guard ", ""));
  assert(commands.length > 3);
  await using database = await createDatabase({ empty: true });
  await using project = await createForeign(files);
  await project.write(".env", `DATABASE_URL=${named(database.settings).DATABASE_URL}\n`);
  assertEquals((await project.dbmate(["migrate"], database.settings)).code, 0);
  const before = await Promise.all(
    Object.keys(files).map((file) => project.read(`db/migrations/${file}`)),
  );
  for (const command of commands) {
    const { code, stderr } = await project.run(command.split(" "));
    assertEquals([command, code], [command, 0], stderr);
  }
  const after = await Promise.all(
    Object.keys(files).map((file) => project.read(`db/migrations/${file}`)),
  );
  assertEquals(after, before);
});

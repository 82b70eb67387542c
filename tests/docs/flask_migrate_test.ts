/** Runs docs/coming-from-flask-migrate.md, from top to bottom, in a copy of the project. */
import { assert, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import { startEmbedded } from "../../embedded/mod.ts";
import { Statement } from "../../postgres/mod.ts";
import { root } from "../support/root.ts";
import { blocksOf, Walkthrough } from "../support/walkthrough.ts";
import { connectPatiently } from "../support/database.ts";

const text = "docs/coming-from-flask-migrate.md";

Deno.test("coming from Flask-Migrate: every command works as it stands, and says what is shown", async () => {
  await using walk = await Walkthrough.open();
  let commands = 0;
  await walk.run(text, async (line) => {
    commands++;
    // Nobody starts `deno task dev` and goes on in the same terminal.
    if (line.startsWith("deno task db ")) await walk.interrupt();
    const [, statement] = /^deno task db console -- -(?:At)?c "(.+)"$/.exec(line) ?? [];
    return statement !== undefined && await byHand(walk.folder, statement);
  });
  assert(commands > 25);
});

/** What psql would do, which is not on every machine, and what it would answer. */
async function byHand(folder: string, statement: string): Promise<string | true> {
  const server = await startEmbedded({ dataDir: join(folder, ".data") });
  const db = connectPatiently({ ...server.settings, database: "slate" });
  try {
    const rows = await db.query<Record<string, unknown>>(new Statement([statement], []));
    return rows.map((row) => Object.values(row).join("|")).join("\n") || true;
  } finally {
    await db.close();
    await server.stop();
  }
}

Deno.test("coming from Flask-Migrate: what it quotes stands in the files", async () => {
  const migrations = join(root, "db", "migrations");
  const files = await Promise.all(
    (await Array.fromAsync(Deno.readDir(migrations)))
      .map(({ name }) => Deno.readTextFile(join(migrations, name))),
  );
  const workflow = await Deno.readTextFile(join(root, ".github", "workflows", "migrations.yml"));
  const blocks = (await blocksOf(text)).filter(({ file }) => !file);
  for (const { text } of blocks.filter(({ language }) => language === "sql")) {
    assert(files.some((file) => file.includes(text)), `no migration has\n${text}`);
  }
  for (const { text } of blocks.filter(({ language }) => language === "yaml")) {
    let rest = workflow;
    for (
      const line of text.trim().split("\n").map((line) => line.trim().replace(/^- run/, "run"))
    ) {
      assertStringIncludes(rest, line);
      rest = rest.slice(rest.indexOf(line) + line.length);
    }
  }
});

Deno.test("coming from Flask-Migrate: every command that it names is one that it runs, and every link leads somewhere", async () => {
  const whole = await Deno.readTextFile(join(root, text));
  // The command goes by its own name there.
  const beside = (await Deno.readTextFile(join(root, "migrate", "README.md")))
    .replaceAll("dbmate-guard ", "deno task db ");
  const run = (await blocksOf(text)).filter(({ language }) => language === "sh");
  const typed = run.flatMap(({ text }) => text.split("\n"));
  for (const [, command] of whole.matchAll(/`(deno task [^`]+)`/g)) {
    assert(
      typed.some((line) => line.startsWith(command!)) || beside.includes(`\`${command}\``),
      `nobody runs ${command}`,
    );
  }
  for (const [, link] of whole.matchAll(/\]\(([^)#]+)/g)) {
    await Deno.stat(join(root, dirname(text), link!));
  }
});

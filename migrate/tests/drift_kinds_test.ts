import { assert, assertEquals } from "@std/assert";
import { readCatalog } from "../catalog/catalog.ts";
import { compareNormalized } from "../catalog/normalize.ts";
import { withSession } from "../draft/draft.ts";
import { createFolder, migration, runDb, runDbmate } from "../../tests/support/command.ts";
import { createDatabase } from "../../tests/support/database.ts";
import { readKinds } from "./kinds.ts";

/** Of the whole database: two of them would be in each other's way. */
const shared =
  /\b(schema|publication|subscription|server|wrapper|language|extension|event trigger|access method|default privileges|cast|transform|kin|public|current_user)\b/i;

Deno.test("drift: names each kind of change that is made in a schema by hand, as diff names it", async () => {
  await using database = await createDatabase({ empty: true });
  await using untouched = await createDatabase({ empty: true });
  const kinds = (await readKinds(15)).filter(({ before, change }) => !shared.test(before + change));
  assert(kinds.length > 80, `only ${kinds.length} kinds`);
  const inSchema = (text: (kind: typeof kinds[number]) => string) =>
    kinds.map((kind, i) => `set local search_path = k${i};\n${text(kind)}`).join("\n");
  const made = kinds.map((_, i) => `create schema k${i};`).join("\n");
  const before = `${made}\n${inSchema(({ before }) => before)}\nset local search_path = public;`;
  await using folder = await createFolder({ "1_kinds.sql": migration(before) });
  const place = { settings: database.settings, folder: folder.path };
  const { code, stderr } = await runDbmate(["up"], place);
  assertEquals(code, 0, stderr);
  await withSession(database.settings, (db) => db.script(inSchema(({ change }) => change)));

  const drift = await runDb(["drift", "--json"], place);
  assertEquals(drift.code, 1, drift.stderr);
  const found: { kind: string; name: string }[] = JSON.parse(drift.stdout);
  const names = found.map(({ kind, name }) => `${kind} ${name}`);
  const unnamed = kinds.filter((_, i) => !names.some((name) => RegExp(`\\bk${i}\\b`).test(name)));
  assertEquals(unnamed.map(({ name }) => name), []);

  // What diff begins with.
  await untouched.db.script(`begin; ${before}; commit`);
  const differences = await withSession(untouched.settings, async (db) => {
    const live = await withSession(database.settings, (other) => readCatalog(other));
    return await compareNormalized(db, await readCatalog(db), live);
  });
  assertEquals(names, differences.map(({ kind, name }) => `${kind} ${name}`));
});

import { assert, assertEquals } from "@std/assert";
import { connect } from "../../postgres/mod.ts";
import { compareCatalogs, describeDifferences, readCatalog } from "../catalog/catalog.ts";
import { compareSettled } from "../catalog/settle.ts";
import { isLeftOut, leftOutTables } from "../catalog/left_out.ts";
import { readme } from "../catalog/readme.ts";
import { readColumns } from "../catalog/used.ts";
import { printed } from "../catalog/rows_shape.ts";
import { draft, type State, withSession } from "../draft/draft.ts";
import { proveDraft } from "../draft/proof.ts";
import { asBaseline } from "../commands/squash.ts";
import { formatFinding } from "../finding.ts";
import { checkForm } from "../files/form.ts";
import { parse } from "../files/migrations.ts";
import { migration } from "../../tests/support/command.ts";
import { schemaText } from "../schema/text.ts";
import { openScratch, type Scratch } from "../scratch.ts";
import { createDatabase, testServer } from "../../tests/support/database.ts";
import { type Kind, onlySeen, readKinds, readmeWithKinds } from "./kinds.ts";
import { dump, dumps } from "./pg_dump.ts";

/** A role belongs to the server, where several kinds at once would make it. */
async function makeRole() {
  const db = connect(testServer(), { size: 1 });
  await db.script(
    `do $$ begin create role kin; exception when duplicate_object or unique_violation then end $$`,
  );
  await db.close();
}

async function versionOf(scratch: Scratch): Promise<number> {
  const settings = await scratch.create();
  return await withSession(settings, async (db) => {
    const columns = await readColumns(db);
    return columns.some(({ column }) => column === "conenforced") ? 18 : 15;
  });
}

/** Does something with each kind, a few at a time. */
async function each(work: (kind: Kind, scratch: Scratch) => Promise<void>) {
  await makeRole();
  await using scratch = await openScratch();
  const wanted = Deno.env.get("KIND");
  const queue = (await readKinds(await versionOf(scratch)))
    .filter(({ name }) => !wanted || name === wanted);
  const next = async () => {
    for (let kind = queue.shift(); kind; kind = queue.shift()) {
      await using own = forOne(scratch);
      await work(kind, own);
    }
  };
  await Promise.all([next(), next(), next()]);
}

/** Its databases go with the kind: those of all at once would be ten gigabytes. */
function forOne(scratch: Scratch): Scratch {
  const made: string[] = [];
  return {
    ...scratch,
    async create(template) {
      const settings = await scratch.create(template);
      made.push(settings.database);
      return settings;
    },
    async [Symbol.asyncDispose]() {
      const db = connect(testServer(), { size: 1, deadline: 60_000 });
      for (const name of made) await db.script(`drop database ${name} with (force)`);
      await db.close();
    },
  };
}

async function state(scratch: Scratch, script: string) {
  const settings = await scratch.create();
  const catalog = await withSession(settings, async (db) => {
    await db.script(script);
    return await readCatalog(db);
  });
  return { settings, catalog };
}

Deno.test("every column of pg_catalog is compared or left out by name, and every expression is printed", async () => {
  await using database = await createDatabase({ empty: true });
  const session = connect(database.settings, { session: true });
  const columns = await readColumns(session);
  await session.close();
  const compared = columns.filter(({ catalog, column }) =>
    !leftOutTables[catalog] && !isLeftOut(catalog, column)
  );
  const blind = compared.filter(({ catalog, column, type }) =>
    type === "pg_node_tree" && !printed[`${catalog}.${column}`]
  );
  assertEquals(blind.map(({ catalog, column }) => `${catalog}.${column}`), []);
  // A name that nothing bears any more would be a promise about nothing.
  const tables = new Set(columns.map(({ catalog }) => catalog));
  assertEquals(Object.keys(leftOutTables).filter((table) => !tables.has(table)), []);
});

Deno.test("catalog/README.md lists what is left out", async () => {
  const file = new URL("../catalog/README.md", import.meta.url);
  // The formatter breaks its lines.
  const words = (text: string) => text.split(/\s+/);
  assertEquals(words(await Deno.readTextFile(file)), words(readme()));
});

Deno.test("migrate/README.md says of each kind what the commands do with it", async () => {
  const words = (text: string) => text.split(/[\s-]+/);
  const [is, ought] = await readmeWithKinds();
  assertEquals(words(is), words(ought));
});

Deno.test("each kind of thing that PostgreSQL keeps", async (t) => {
  const path = "20260101000000_first.sql";
  const first = parse(path, new TextEncoder().encode(migration("select 1;"))).migration!;
  const unseen: string[] = [];
  const unsaid: string[] = [];
  const undrafted: string[] = [];

  /** What schema.sql says of a state is loaded and compared; squash takes it as a baseline. */
  async function say({ name, refused }: Kind, { settings, catalog }: State, scratch: Scratch) {
    const text = await withSession(settings, (db) => schemaText(db));
    const left = await withSession(await scratch.create(), async (db) => {
      await db.script(text);
      return describeDifferences(await compareSettled(db, catalog, await readCatalog(db)));
    });
    const form = await checkForm(asBaseline([first, first], text, ""));
    if (form.length > 0 && !refused.has("schema")) {
      unsaid.push(`${name}, squashed: ${form.map(formatFinding).join("\n")}`);
    }
    const expected = refused.get("schema");
    if (expected ? !left.includes(expected) : left !== "") unsaid.push(`${name}: ${left}`);
  }

  async function drafted({ name, refused }: Kind, from: State, to: State, scratch: Scratch) {
    const parts = await draft(scratch, from, to, { up: [], down: [] });
    const { up, down } = await proveDraft(from, to, parts);
    const faults = [...up, ...down].join("\n");
    const expected = refused.get("diff");
    if (expected ? !faults.includes(expected) : faults !== "") undrafted.push(`${name}: ${faults}`);
  }

  await each(async (kind, scratch) => {
    const { name, before, change } = kind;
    const from = await state(scratch, before || "select");
    const to = await state(scratch, `${before}\n${change}`);
    const differences = compareCatalogs(from.catalog, to.catalog);
    if (describeDifferences(differences) === "") unseen.push(name);
    if (name === onlySeen) return await letGo(to);
    await say(kind, to, scratch);
    await drafted(kind, from, to, scratch);
  });
  await t.step("is seen when it changes, by name", () => assertEquals(unseen, []));
  await t.step(
    "is said by schema.sql, so that it loads and is equal, or its proof names what it cannot say; squash takes it",
    () => assertEquals(unsaid, []),
  );
  await t.step(
    "is drafted by diff, up and down, or refused by name; none is called equal",
    () => assertEquals(undrafted, []),
  );
});

/** A subscription would keep its database from being dropped. */
async function letGo({ settings }: State) {
  await withSession(settings, async (db) => {
    for (const end of ["alter subscription su set (slot_name = none)", "drop subscription su"]) {
      await db.script(end);
    }
  });
}

Deno.test("a fourth of the kinds: what pg_dump, which shares no code with it, writes of one is equal when it is restored", async () => {
  if (!await dumps()) return;
  await makeRole();
  const kinds = await readKinds(15);
  const wrong: string[] = [];
  for (const { name, before, change } of kinds.filter((_, i) => i % 4 === 0)) {
    if (name in notDumped) continue;
    await using one = await createDatabase({ empty: true });
    await using other = await createDatabase({ empty: true });
    await one.db.script(`${before}\n${change}`);
    if (await dump(one.settings) === await dump(other.settings)) continue;
    await other.db.script(await dump(one.settings));
    await withSession(other.settings, async (db) => {
      const found = await readCatalog(db);
      const left = await compareSettled(db, await readCatalog(one.db), found);
      if (left.length > 0) wrong.push(`${name}:\n${describeDifferences(left)}`);
      assert(found.rows.length > 0);
    });
  }
  assertEquals(wrong, []);
});

/** What pg_dump itself loses. */
const notDumped: Record<string, string> = {
  "index's invalidity": "a restored index is valid",
  "internal triggers disabled": "it dumps no internal trigger",
  "language": "it takes the language for an extension",
  "grant on a language": "it takes the language for an extension",
  "subscription": "its database could not be dropped",
};

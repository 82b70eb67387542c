import { assert, assertEquals } from "@std/assert";
import { compareCatalogs, describeDifferences, readCatalog } from "../catalog/catalog.ts";
import { compareDatabases, compareNormalized } from "../catalog/normalize.ts";
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
import { connectPatiently, createDatabase, testServer } from "../../tests/support/database.ts";
import { type Kind, onlySeen, readKinds, readmeWithKinds } from "./kinds.ts";
import { dump, dumps } from "./pg_dump.ts";
import { apart, grouped, judged } from "./together.ts";
import { stateOf } from "./support.ts";

/** A role belongs to the server, where several kinds at once would make it. */
async function makeRole() {
  const db = connectPatiently(testServer(), { size: 1 });
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

const wholeOf = ({ before, change }: Kind) => `${before}\n${change}`;

/** The SQL of a group: what is there before, and then with the changes. */
function scriptsOf(kinds: Kind[]): [before: string, after: string] {
  const all = apart(kinds.map(wholeOf)).map(({ own }, i) => ({ own, kind: kinds[i]! }));
  const before = all.map(({ own, kind }) => own(kind.before));
  return [
    ["select;", ...before].join("\n"),
    [...before, ...all.map(({ own, kind }) => own(kind.change))].join("\n"),
  ];
}

/** Every kind once. What a command refuses it refuses for all that it is asked: that stays alone. */
function inGroups(kinds: Kind[]): Kind[][] {
  const wanted = Deno.env.get("KIND");
  if (wanted) return kinds.filter(({ name }) => name === wanted).map((kind) => [kind]);
  const alone = kinds.filter(isAlone);
  return [
    ...grouped(kinds.filter((kind) => !isAlone(kind)), 12, wholeOf),
    ...alone.map((kind) => [kind]),
  ];
}

/** What is refused, keeps its database, or is about all that comes after it. */
function isAlone({ name, change, refused }: Kind): boolean {
  return refused.size > 0 || name === onlySeen ||
    /^alter default privileges (?!in schema|for role)|\bfor all tables\b/m.test(change);
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
      const db = connectPatiently(testServer(), { size: 1 });
      for (const name of made) await db.script(`drop database ${name} with (force)`);
      await db.close();
    },
  };
}

Deno.test("every column of pg_catalog is compared or left out by name, and every expression is printed", async () => {
  await using database = await createDatabase({ empty: true });
  const session = connectPatiently(database.settings, { session: true });
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

  /** What schema.sql says of a state is loaded and compared; squash takes it as a baseline. */
  async function say(refused: Kind["refused"], { settings, catalog }: State, scratch: Scratch) {
    const text = await withSession(settings, (db) => schemaText(db));
    const left = await withSession(await scratch.create(), async (db) => {
      await db.script(text);
      return describeDifferences(await compareDatabases(db, catalog, db));
    });
    const form = await checkForm(asBaseline([first, first], text, ""));
    const squashed = refused.has("schema") ? "" : form.map(formatFinding).join("\n");
    const expected = refused.get("schema");
    return [squashed, expected ? left.includes(expected) ? "" : `not refused: ${left}` : left];
  }

  async function drafted(refused: Kind["refused"], from: State, to: State, scratch: Scratch) {
    const parts = await draft(scratch, from, to, { up: [], down: [] });
    const { up, down, emptied } = await proveDraft(from, to, parts);
    const faults = [...up, ...down].join("\n");
    const expected = refused.get("diff");
    const fault = expected ? faults.includes(expected) ? "" : `not refused: ${faults}` : faults;
    return { fault, emptied };
  }

  /** What is wrong with kinds that happen together, or with one alone. */
  async function judge(kinds: Kind[]): Promise<Verdict> {
    await using own = forOne(scratch);
    const names = kinds.map(({ name }) => name).join(", ");
    const named = (...texts: string[]) => texts.filter(Boolean).map((text) => `${names}: ${text}`);
    const verdict: Verdict = { unseen: [], unsaid: [], undrafted: [], emptied: false };
    try {
      const [before, after] = scriptsOf(kinds);
      const [from, to] = [await stateOf(own, before), await stateOf(own, after)];
      const differences = compareCatalogs(from.catalog, to.catalog)
        .map((difference) => JSON.stringify(difference));
      const seen = apart(kinds.map(wholeOf)).map(({ isOf }) => differences.some(isOf));
      verdict.unseen = kinds.filter((_, i) => !seen[i]).map(({ name }) => name);
      if (names === onlySeen) {
        await letGo(to);
        return verdict;
      }
      const { refused } = kinds[0]!;
      verdict.unsaid = named(...await say(refused, to, own));
      const { fault, emptied } = await drafted(refused, from, to, own);
      return { ...verdict, undrafted: named(fault), emptied };
    } catch (error) {
      return { ...verdict, undrafted: named((error as Error).stack!) };
    }
  }

  await makeRole();
  await using scratch = await openScratch();
  const groups = inGroups(await readKinds(await versionOf(scratch)));
  const wrong = ({ unseen, unsaid, undrafted }: Verdict) => [...unseen, ...unsaid, ...undrafted];
  // Where rows stopped one, the others were not tried with rows.
  const verdicts = await judged(groups, judge, (v) => wrong(v).length === 0 && !v.emptied);
  const found = (what: "unseen" | "unsaid" | "undrafted") => verdicts.flatMap((v) => v[what]);
  await t.step("is seen when it changes, by name", () => assertEquals(found("unseen"), []));
  await t.step(
    "is said by schema.sql, so that it loads and is equal, or its proof names what it cannot say; squash takes it",
    () => assertEquals(found("unsaid"), []),
  );
  await t.step(
    "is drafted by diff, up and down, or refused by name; none is called equal",
    () => assertEquals(found("undrafted"), []),
  );
});

interface Verdict {
  unseen: string[];
  unsaid: string[];
  undrafted: string[];
  emptied: boolean;
}

/** A subscription would keep its database from being dropped. */
async function letGo({ settings }: State) {
  await withSession(settings, async (db) => {
    for (const end of ["alter subscription su set (slot_name = none)", "drop subscription su"]) {
      await db.script(end);
    }
  });
}

Deno.test("what pg_dump, which shares no code with it, writes of each kind is equal when it is restored", async () => {
  if (!await dumps()) return;
  await makeRole();
  const kinds = (await readKinds(15)).filter(({ name }) => !(name in notDumped));
  const wrong: string[] = [];
  for (const group of inGroups(kinds)) {
    await using one = await createDatabase({ empty: true });
    await using other = await createDatabase({ empty: true });
    await one.db.script(scriptsOf(group)[1]);
    await other.db.script(await dump(one.settings));
    await withSession(other.settings, async (db) => {
      const found = await readCatalog(db);
      const left = await compareNormalized(db, await readCatalog(one.db), found);
      const names = group.map(({ name }) => name).join(", ");
      if (left.length > 0) wrong.push(`${names}:\n${describeDifferences(left)}`);
      assert(found.rows.length > 0);
    });
  }
  assertEquals(wrong, []);
});

/** What pg_dump itself loses. */
const notDumped: Record<string, string> = {
  "extension's version": "it takes the newest one",
  "language extension gone": "it takes for granted what each database begins with",
  "index's invalidity": "a restored index is valid",
  "internal triggers disabled": "it dumps no internal trigger",
  "replica identity by an index that is gone": "it says nothing of it",
  "language": "it takes the language for an extension",
  "grant on a language": "it takes the language for an extension",
  "subscription": "its database could not be dropped",
};

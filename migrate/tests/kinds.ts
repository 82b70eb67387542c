/**
 * The list of kinds in fixtures/kinds.sql, and the table that migrate/README.md has of it, which
 * `deno run -RW migrate/tests/kinds.ts` writes. kinds_test.ts proves each row.
 */

/** Something that PostgreSQL keeps, and how it comes to be. */
export interface Kind {
  name: string;
  before: string;
  change: string;
  /** What a command cannot say, which it then refuses by this name: `diff`, `schema`. */
  refused: Map<string, string>;
  /** Why it cannot. */
  because?: string;
}

/** A subscription keeps its database from being dropped: it is seen, and nothing more is tried. */
export const onlySeen = "subscription";

/** The list, as far as a server of this version has them. */
export async function readKinds(version: number): Promise<Kind[]> {
  const text = await Deno.readTextFile(new URL("./fixtures/kinds.sql", import.meta.url));
  return text.split(/^-- kind: /m).slice(1).flatMap((part) => {
    const [head = "", change = ""] = part.split("-- change\n");
    const [name = "", ...lines] = head.split("\n");
    if (Number(/^-- only: (\d+)$/m.exec(head)?.[1] ?? 0) > version) return [];
    const refused = new Map(
      [...head.matchAll(/^-- refused by (\w+): (.*)$/gm)].map(([, by, why]) => [by!, why!]),
    );
    const because = /^-- because: (.*)$/m.exec(head)?.[1];
    return [{ name, before: lines.join("\n"), change, refused, because }];
  });
}

const file = new URL("../README.md", import.meta.url);
const begin = "<!-- written by tests/kinds.ts -->";
const end = "<!-- end -->";

/** The README as it is, and as the list says that it is. */
export async function readmeWithKinds(): Promise<[is: string, ought: string]> {
  const text = await Deno.readTextFile(file);
  const [before = "", rest = ""] = text.split(begin);
  return [
    text,
    `${before}${begin}\n\n${table(await readKinds(Infinity))}\n${end}${rest.split(end)[1]}`,
  ];
}

/** `squash` writes what `schema` writes, and refuses what that cannot say. */
function table(kinds: Kind[]): string {
  const usual = kinds.filter(({ refused, name }) => refused.size === 0 && name !== onlySeen);
  const rows = kinds.filter(({ refused }) => refused.size > 0).map(({ name, refused, because }) => {
    const written = refused.has("schema")
      ? ["refuses", "sees", "refuses"]
      : ["writes", "sees", "carries"];
    return [`${name}: ${because}`, refused.has("diff") ? "refuses" : "drafts", ...written];
  });
  return [
    ["kind of change", "`diff`", "`schema`", "`drift`", "`squash`"],
    ["---", "---", "---", "---", "---"],
    [`${usual.length} kinds, below`, "drafts", "writes", "sees", "carries"],
    ...rows,
    [onlySeen, "not tried", "not tried", "sees", "not tried"],
  ].map((cells) => `| ${cells.join(" | ")} |`).join("\n") +
    `\n\nThe ${usual.length}: ${usual.map(({ name }) => name).join("; ")}.\n`;
}

if (import.meta.main) await Deno.writeTextFile(file, (await readmeWithKinds())[1]);

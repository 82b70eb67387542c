/**
 * Puts examples of SQL together into one database: to create, to read and to draft costs by the
 * database, hardly by what is in it. Each keeps to names of its own, so that none meets another.
 */

const makes = new RegExp(
  "\\bcreate (?:or replace )?" +
    "(?:(?:unlogged|foreign|unique|materialized|recursive|constraint|event|trusted|default|text search|data) )*" +
    "(?:table|view|index|function|procedure|aggregate|type|domain|sequence|schema|server|wrapper|publication|trigger|rule|policy" +
    "|collation|conversion|statistics|language|access method|operator class|operator family|dictionary|configuration|parser|template)" +
    " (?:if not exists )?(?:public\\.)?([a-z]\\w*)\\b|\\bconstraint ([a-z]\\w*)\\b|multirange_type_name = (\\w+)",
  "g",
);

/** How PostgreSQL's own names go on behind a table's. */
const generated = "(?:_\\w+)?_(?:pkey|key|idx|fkey|check|excl|seq)\\b";

/** How one example keeps apart from the others of its group. */
export interface Apart {
  /** A text of it with names of its own: `t` is `t_k7` in all that is said of it. */
  own(text: string): string;
  /** Whether something is about this one. */
  isOf(text: string): boolean;
}

/** Keeps examples apart; one that is alone has the names that it gives itself. */
export function apart(examples: string[]): Apart[] {
  if (examples.length === 1) return [{ own: (text) => text, isOf: () => true }];
  const all = examples.map((example, i) => {
    const [names, fixed, mark] = [namesIn(example), fixedIn(example), `_k${i}`];
    const name = new RegExp(`\\b(${names.join("|")})(?=${generated}|\\b)`, "g");
    // `t_k7_id_key` is, `t_k70` is not.
    const known = new RegExp(`${mark}(?!\\d)`);
    return {
      isNameless: names.length + fixed.length === 0,
      own: (text: string) => names.length === 0 ? text : text.replaceAll(name, `$1${mark}`),
      isOf: (text: string) => known.test(text) || fixed.some((name) => text.includes(name)),
    };
  });
  const ofNone = (text: string) => !all.some(({ isOf }) => isOf(text));
  return all.map(({ isNameless, own, isOf }) => ({ own, isOf: isNameless ? ofNone : isOf }));
}

/** The names that an example gives, but for quoted ones. */
function namesIn(sql: string): string[] {
  const names = [...sql.matchAll(makes)].map(([, ...found]) => found.find(Boolean)!);
  return [...new Set(names)].filter((name) => name !== "on");
}

/** The names that cannot be others: of operators and extensions, and those in quotes. */
function fixedIn(sql: string): string[] {
  return [...sql.matchAll(/\bcreate (?:operator ([^a-z\s]+)|extension (\w+)|\w+ "([^"]+)")/g)]
    .map(([, ...found]) => found.find(Boolean)!);
}

/**
 * Groups of up to so many, in which no two have a name that cannot be another one, nor two none at
 * all: what happens in a group is told by the names.
 */
export function grouped<Example>(
  examples: Example[],
  size: number,
  textOf: (example: Example) => string,
): Example[][] {
  const groups: { members: Example[]; fixed: Set<string> }[] = [];
  for (const example of examples) {
    const text = textOf(example);
    const fixed = fixedIn(text);
    if (fixed.length + namesIn(text).length === 0) fixed.push("");
    const free = groups.find((group) =>
      group.members.length < size && !fixed.some((name) => group.fixed.has(name))
    );
    if (free) free.members.push(example);
    else groups.push({ members: [example], fixed: new Set(fixed) });
    for (const name of fixed) free?.fixed.add(name);
  }
  return groups.map(({ members }) => members);
}

/**
 * Judges groups, a few at a time. Where something is wrong with one, each of its members is judged
 * alone, which names it; where it is none of them, the group's own verdict stands: it is that they
 * happen together.
 */
export async function judged<Example, Verdict>(
  groups: Example[][],
  judge: (examples: Example[]) => Promise<Verdict>,
  isRight: (verdict: Verdict) => boolean,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const queue = [...groups];
  const next = async () => {
    for (let group = queue.shift(); group; group = queue.shift()) {
      const verdict = await judge(group);
      if (group.length === 1 || isRight(verdict)) {
        verdicts.push(verdict);
        continue;
      }
      const alone = [];
      for (const example of group) alone.push(await judge([example]));
      verdicts.push(...alone);
      if (alone.every(isRight)) verdicts.push(verdict);
    }
  };
  await Promise.all([next(), next(), next()]);
  return verdicts;
}

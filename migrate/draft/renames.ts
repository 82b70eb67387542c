import type { CatalogObject } from "../catalog/definitions.ts";
import { exit, Failure } from "../command.ts";
import { quoteName } from "../databases.ts";
import { lastName, namesOf, parentName, sqlPattern } from "../files/sql_text.ts";

/** Statements that only a person can know, and those that undo them. */
export interface Steps {
  up: string[];
  down: string[];
}

/**
 * `users.age=years_old` or `users=people` as statements. A name is meant as it stands, with or
 * without quotes, which a shell takes away. Throws a Failure of wrong use.
 */
export function renameSteps(rename: string, before: CatalogObject[]): Steps {
  const { path, name } = readRename(rename);
  const wanted = path.join("\0");
  const found = (kind: string) =>
    before.find((object) => {
      const own = namesOf(object.name);
      return object.kind === kind &&
        (own.join("\0") === wanted || own.join("\0") === `public\0${wanted}`);
    })?.name;
  const to = quoteName(name);
  const table = found("table");
  if (table) {
    const schema = table.slice(0, -ownName({ name: table }).length);
    return {
      up: [`alter table ${table} rename to ${to}`],
      down: [`alter table ${schema}${to} rename to ${ownName({ name: table })}`],
    };
  }
  const column = found("column");
  if (column) {
    const [parent, last] = [parentName(column), lastName(column)];
    return {
      up: [`alter table ${parent} rename column ${last} to ${to}`],
      down: [`alter table ${parent} rename column ${to} to ${last}`],
    };
  }
  throw new Failure(
    `--rename names ${path.join(".")}, which is no table or column of the schema`,
    exit.usage,
  );
}

/** The names of a rename, without quotes. Throws a Failure of wrong use. */
export function readRename(rename: string): { path: string[]; name: string } {
  const word = '(?:<quoted>|[^".=]+)';
  const [, path, name] = sqlPattern(`^(${word}(?:\\.${word})*)=(${word})$`).exec(rename) ?? [];
  if (path && name) return { path: namesOf(path), name: namesOf(name)[0]! };
  throw new Failure(
    `--rename is "${rename}": write table.column=new_name or table=new_name`,
    exit.usage,
  );
}

/**
 * Constraints, indexes, triggers and the sequences of columns of which only the name differs:
 * renamed, never built anew. Data is not touched by it, so that no person has to be asked.
 */
export function nameOnlySteps(before: CatalogObject[], after: CatalogObject[]): Steps {
  const steps: Steps = { up: [], down: [] };
  const key = ({ kind, name }: CatalogObject) => `${kind} ${name}`;
  const [old, now] = [new Set(before.map(key)), new Set(after.map(key))];
  const gone = before.filter((object) => !now.has(key(object)));
  const come = after.filter((object) => !old.has(key(object)));
  for (const kind of ["constraint", "index", "trigger"]) {
    for (const object of gone.filter((o) => o.kind === kind)) {
      const same = (other: CatalogObject) =>
        other.kind === kind && other.of === object.of && nameless(other) === nameless(object);
      const candidates = come.filter(same);
      if (candidates.length !== 1 || gone.filter(same).length !== 1) continue;
      const [from, to] = [ownName(object), ownName(candidates[0]!)];
      const schema = parentName(object.name);
      const [head, back] = kind === "index"
        ? [`alter index ${object.name}`, `alter index ${schema}.${to}`]
        : kind === "trigger"
        ? [`alter trigger ${from} on ${object.of}`, `alter trigger ${to} on ${object.of}`]
        : [
          `alter table ${object.of} rename constraint ${from}`,
          `alter table ${object.of} rename constraint ${to}`,
        ];
      const word = kind === "constraint" ? "to" : "rename to";
      steps.up.push(`${head} ${word} ${to}`);
      steps.down.unshift(`${back} ${word} ${from}`);
    }
  }
  for (const { name } of gone.filter(({ kind }) => kind === "sequence")) {
    const owner = ownerOf(before, name);
    const others = come.filter((o) => o.kind === "sequence" && ownerOf(after, o.name) === owner);
    const [from, to] = [ownName({ name }), ownName(others[0] ?? { name })];
    const schema = name.slice(0, -from.length);
    if (!owner || others.length !== 1 || others[0]!.name !== schema + to) continue;
    steps.up.push(`alter sequence ${name} rename to ${to}`);
    steps.down.unshift(`alter sequence ${schema}${to} rename to ${from}`);
  }
  return steps;
}

/** The column that a sequence belongs to. */
function ownerOf(objects: CatalogObject[], sequence: string): string | undefined {
  const owned = objects.find(({ name }) => name === `${sequence} owned by`);
  return owned?.ddl.replace(/^.* owned by /, "");
}

function ownName({ name }: Pick<CatalogObject, "name">): string {
  return lastName(name);
}

function nameless(object: CatalogObject): string {
  return object.kind === "constraint"
    ? object.ddl
    : object.ddl.replace(` ${ownName(object)} `, " ");
}

const typeOf = ({ ddl }: CatalogObject) => sqlPattern("^<word>").exec(ddl)?.[0];

/** Columns and tables that may have been renamed: gone and come with the same definition. */
export function renameCandidates(before: CatalogObject[], after: CatalogObject[]): string[] {
  const lists = (objects: CatalogObject[], kind: string) => objects.filter((o) => o.kind === kind);
  const missing = (kind: string, from: CatalogObject[], to: CatalogObject[]) => {
    const names = new Set(lists(to, kind).map(({ name }) => name));
    return lists(from, kind).filter(({ name }) => !names.has(name));
  };
  const shown = (name: string) => name.replace(/^public\./, "");
  const columns = missing("column", before, after).flatMap((gone) =>
    missing("column", after, before)
      .filter((come) => come.of === gone.of && typeOf(come) === typeOf(gone))
      .map((come) => `${shown(gone.name)}=${ownName(come)}`)
  );
  const order = (objects: CatalogObject[], table: string) =>
    objects.find(({ kind, name }) => kind === "column order" && name === table)?.ddl;
  const tables = missing("table", before, after).flatMap((gone) =>
    missing("table", after, before)
      .filter((come) => order(after, come.name) === order(before, gone.name))
      .map((come) => `${shown(gone.name)}=${ownName(come)}`)
  );
  return [...tables, ...columns];
}

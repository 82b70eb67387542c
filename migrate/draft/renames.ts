import type { CatalogObject } from "../catalog/definitions.ts";
import { exit, Failure } from "../command.ts";

/** Statements that only a person can know, and those that undo them. */
export interface Steps {
  up: string[];
  down: string[];
}

/** `users.age=years_old` or `users=people` as statements. Throws a Failure of wrong use. */
export function renameSteps(rename: string, before: CatalogObject[]): Steps {
  const [, path, name] = /^([\w.]+)=(\w+)$/.exec(rename) ?? [];
  if (!path || !name) {
    throw new Failure(
      `--rename is "${rename}": write table.column=new_name or table=new_name`,
      exit.usage,
    );
  }
  const has = (kind: string, wanted: string) =>
    before.some((object) =>
      object.kind === kind && (object.name === wanted || object.name === `public.${wanted}`)
    );
  const parent = path.slice(0, path.lastIndexOf("."));
  const last = path.slice(path.lastIndexOf(".") + 1);
  if (has("table", path)) {
    const renamed = path.includes(".") ? `${parent}.${name}` : name;
    return {
      up: [`alter table ${path} rename to ${name}`],
      down: [`alter table ${renamed} rename to ${last}`],
    };
  }
  if (has("column", path)) {
    return {
      up: [`alter table ${parent} rename column ${last} to ${name}`],
      down: [`alter table ${parent} rename column ${name} to ${last}`],
    };
  }
  throw new Failure(
    `--rename names ${path}, which is no table or column of the schema`,
    exit.usage,
  );
}

/**
 * Constraints, indexes and triggers of which only the name differs: renamed, never built anew. Data
 * is not touched by it, so that no person has to be asked.
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
      const schema = /^(.*)\./.exec(object.name)?.[1];
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
  return steps;
}

function ownName({ name }: CatalogObject): string {
  return /("(?:[^"]|"")*"|[^."]+)$/.exec(name)![0];
}

function nameless(object: CatalogObject): string {
  return object.kind === "constraint"
    ? object.ddl
    : object.ddl.replace(new RegExp(`\\b${ownName(object)}\\b`), "");
}

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
      .filter((come) => come.of === gone.of && come.ddl.split(" ")[0] === gone.ddl.split(" ")[0])
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

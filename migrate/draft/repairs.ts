import type { Difference } from "../catalog/catalog.ts";
import { invalidKey, isAlone } from "../schema/alone.ts";
import { lastName, parentName, sqlPattern } from "../files/sql_text.ts";

/** Kinds whose definition is a statement that also replaces what was there. */
const replacing = new Set(["comment", "setting", "view", "owner"]);

/** Kinds that have to go before they come again. */
const removable = new Set([
  "grant",
  "statistics",
  "cast",
  "collation",
  "text search",
  "rule",
  "default privileges",
]);

/** Parts of a table, and functions, which may have gone with something else or out of its way. */
const parts = new Set([
  "function",
  "procedure",
  "partition",
  "index",
  "constraint",
  "trigger",
  "policy",
]);

/** What needs another kind comes after it. */
const order = ["operator", "operator family", "operator class", "view", "materialized view"].concat(
  ["index", "constraint", "trigger", "policy", "setting", "owner", "grant", "comment"],
);

/**
 * Statements for what a draft has missed: pg-delta does not see operators, casts, text search,
 * languages, some comments, storage, statistics, states and options. `found` is what the draft
 * builds, `expected` what it should. Returns nothing for what only a person can decide.
 */
export function repairs(differences: Difference[]): string[] {
  const late = ({ kind }: Difference) => order.indexOf(kind);
  const gone = differences.filter(({ expected }) => expected === undefined);
  const kept = differences.filter(({ expected }) => expected !== undefined);
  return [
    ...gone.toSorted((a, b) => late(b) - late(a)),
    ...kept.toSorted((a, b) => late(a) - late(b)),
  ].flatMap(repair);
}

function repair({ kind, name, expected, found, undo }: Difference): string[] {
  if (kind === "extension" && expected !== undefined && found !== undefined) {
    const version = / version ('[^']*')/.exec(expected)?.[1];
    return version ? [`alter extension ${name} update to ${version}`] : [];
  }
  if (kind === "column") return columnRepair(name, expected, found);
  if (kind === "table") return tableRepair(name, expected, found);
  if (kind === "type" && expected && !found && isShell(expected)) return [expected];
  if (/^(server|foreign data wrapper)$/.test(kind) && expected && found) {
    return foreignRepair(`alter ${kind} ${name}`, expected, found);
  }
  const away = found === undefined
    ? []
    : [undo?.found ?? removal(kind, name, found)].flatMap((s) => s ?? []);
  if (expected === undefined) return away;
  const statements = expected.split(/;\n(?=alter )/);
  if (kind === "view" && found !== undefined) {
    return [expected.replace(/^create view/, "create or replace view")];
  }
  if (found === undefined && parts.has(kind)) return [partMade(kind, name, expected)];
  if (kind === "constraint" && isAlone({ kind, ddl: expected })) {
    return [removal(kind, name)!, partMade(kind, name, expected)];
  }
  if (kind === "index" && expected && found) return indexRepair(name, expected, found);
  if (kind === "publication" && expected && found) return publicationRepair(name, expected, found);
  if (kind === "materialized view") {
    return found === undefined ? [expected] : methodRepair(name, expected, found);
  }
  if (/ options$/.test(name)) return [...away, ...statements];
  if (replacing.has(kind)) return statements;
  return removable.has(kind) || undo?.expected ? [...away, ...statements] : [];
}

/** Whether it makes a type of which there is no more than the name. */
const isShell = (ddl: string) => sqlPattern("^create type <path>$").test(ddl);

/** A constraint's definition is its clause alone. */
function partMade(kind: string, name: string, ddl: string): string {
  if (kind !== "constraint" || ddl.startsWith("alter ")) return ddl;
  const only = isAlone({ kind, ddl }) ? "only " : "";
  return `alter table ${only}${parentName(name)} add constraint ${lastName(name)} ` +
    ddl.replace(invalidKey, "");
}

/**
 * The default and the not null that a partition has of its own, a collation that had to go out of
 * another's way, and a generated column: what it
 * holds follows from the others.
 */
function columnRepair(name: string, expected = "", found = ""): string[] {
  const generated = (ddl: string) => / generated always as \(.*\) /s.test(ddl);
  if (generated(expected) && (!found || generated(found))) {
    const own = lastName(name);
    const alter = `alter table ${parentName(name)}`;
    return [
      ...found ? [`${alter} drop column ${own}`] : [],
      `${alter} add column ${own} ${expected}`,
    ];
  }
  const parts = (ddl: string) =>
    sqlPattern("^(.*?)( collate <path>)?( not null)?(?: default (.*))?$", "s").exec(ddl)!;
  const [[, left, collation = "", strict, value], [, right, old = "", wasStrict, was]] = [
    parts(expected),
    parts(found),
  ];
  if (!expected || !found) return [];
  if (left !== right) {
    return [
      `alter table ${parentName(name)} alter column ${lastName(name)} type ${left}${collation}`,
    ];
  }
  const alter = `alter table only ${parentName(name)} alter column ${lastName(name)}`;
  return [
    ...collation === old ? [] : [`${alter} type ${left}${collation}`],
    ...strict === wasStrict ? [] : [`${alter} ${strict ? "set" : "drop"} not null`],
    ...value === was
      ? []
      : [`${alter} ${value === undefined ? "drop default" : `set default ${value}`}`],
  ];
}

/** The parents and the access method of a table, where nothing else of it differs. */
function tableRepair(name: string, expected = "", found = ""): string[] {
  const parts = (ddl: string) =>
    sqlPattern(
      String
        .raw`^(.*?)(?: inherits \(((?:, |<path>)*)\))?(?: using (<name>))?( (?:with|server) .*)?$`,
    ).exec(ddl)!;
  const [[, head, parents, method], [, now, present, current]] = [parts(expected), parts(found)];
  const [options, left] = [parts(expected)[4], parts(found)[4]];
  if (!expected || head !== now || options !== left) return [];
  const list = (text = "") => [...text.matchAll(sqlPattern("<path>", "g"))].map(([path]) => path);
  return [
    ...list(present).filter((p) => !list(parents).includes(p)).map((parent) =>
      `alter table ${name} no inherit ${parent}`
    ),
    ...list(parents).filter((p) => !list(present).includes(p)).map((parent) =>
      `alter table ${name} inherit ${parent}`
    ),
    ...method === current ? [] : [`alter table ${name} set access method ${method ?? "heap"}`],
  ];
}

/** The options and the version of what foreign tables stand on, which cannot go before they do. */
function foreignRepair(alter: string, expected: string, found: string): string[] {
  const parts = (ddl: string) => {
    const [, head = "", list = ""] = /^(.*?)(?: options \((.*)\))?$/s.exec(ddl)!;
    const options = list.matchAll(sqlPattern("(<name>) (<text>)", "g"));
    return { head, options: new Map([...options].map(([, name, value]) => [name!, value!])) };
  };
  const [is, was] = [parts(expected), parts(found)];
  const changes = [
    ...[...was.options.keys()].filter((name) => !is.options.has(name)).map((n) => `drop ${n}`),
    ...[...is.options].flatMap(([name, value]) =>
      was.options.get(name) === value
        ? []
        : `${was.options.has(name) ? "set" : "add"} ${name} ${value}`
    ),
  ];
  const [, version] = / version ('(?:[^']|'')*')/.exec(is.head) ?? [];
  return [
    ...is.head !== was.head && version ? [`${alter} version ${version}`] : [],
    ...changes.length > 0 ? [`${alter} options (${changes.join(", ")})`] : [],
  ];
}

/** What a publication is for, and its options, as pg-delta does not know all of them. */
function publicationRepair(name: string, expected: string, found: string): string[] {
  const parts = (ddl: string) => /^create publication .*?(?: for (.*))? with \((.*)\)$/s.exec(ddl)!;
  const [[, objects, options = ""], [, now, old = ""]] = [parts(expected), parts(found)];
  const usual = [["publish_via_partition_root", "false"], ["publish_generated_columns", "none"]]
    .filter(([option]) => old.includes(option!) && !options.includes(option!))
    .map(([option, value]) => `${option} = ${value}`);
  return [
    ...objects === now || !objects ? [] : [`alter publication ${name} set ${objects}`],
    ...options === old ? [] : [`alter publication ${name} set (${[options, ...usual].join(", ")})`],
  ];
}

/** The options of an index, as of one that came with its parent's, where nothing else differs. */
function indexRepair(name: string, expected: string, found: string): string[] {
  const parts = (ddl: string) => /^(.*?)(?: WITH \(([^()]*)\))?( WHERE .*)?$/s.exec(ddl)!;
  const [[, head, options, where], [, now, old, left]] = [parts(expected), parts(found)];
  if (isAlone({ kind: "index", ddl: expected }) !== isAlone({ kind: "index", ddl: found })) {
    return [`drop index ${name}`, expected];
  }
  if (head !== now || where !== left) return [];
  return [
    ...old ? [`alter index ${name} reset (${old.replaceAll(/=[^,]*/g, "")})`] : [],
    ...options ? [`alter index ${name} set (${options})`] : [],
  ];
}

/** The access method of a materialized view, where nothing else of it differs. */
function methodRepair(name: string, expected: string, found: string): string[] {
  const parts = (ddl: string) =>
    sqlPattern(String.raw`^(create materialized view <path>)(?: using (<name>))?(\s[^]*)$`).exec(
      ddl,
    )!;
  const [[, head, method, rest], [, now, , left]] = [parts(expected), parts(found)];
  if (head !== now || rest !== left) return [];
  return [`alter materialized view ${name} set access method ${method ?? "heap"}`];
}

function removal(kind: string, name: string, ddl = ""): string | undefined {
  const [, table, column] =
    sqlPattern("^alter table (?:only )?(<path>) (?:alter column (<name>) )?").exec(ddl) ?? [];
  switch (kind) {
    case "comment":
      return ddl.replace(
        / is (?:'(?:[^']|'')*'|null)$/i,
        name === "schema public" ? " is 'standard public schema'" : " is null",
      );
    case "constraint":
      return `alter table ${parentName(name)} drop constraint ${lastName(name)}`;
    case "partition":
      return ddl.replace(sqlPattern(" attach partition (<path>) .*$", "s"), " detach partition $1");
    case "type":
      return isShell(ddl) ? `drop type ${name}` : undefined;
    case "statistics":
      return `drop statistics ${name}`;
    case "cast":
      return `drop cast (${name})`;
    case "collation":
      return `drop collation ${name}`;
    case "text search":
      return `drop text search configuration ${name}`;
    case "rule":
      return `drop rule ${lastName(name)} on ${parentName(name)}`;
    case "grant":
    case "default privileges":
      return / revoke |^revoke /.test(ddl)
        ? ddl.replace(/\brevoke\b/, "grant").replace(
          sqlPattern(" from (<name>)$"),
          " to $1",
        )
        : ddl.replace(/\bgrant\b/, "revoke").replace(
          sqlPattern(" to (<name>)( with grant option)?$"),
          " from $1",
        );
    case "setting":
      if (/ storage$/.test(name)) {
        return `alter table ${table} alter column ${column} set storage extended`;
      }
      if (/ statistics$/.test(name)) {
        return `alter table ${table} alter column ${column} set statistics -1`;
      }
      if (/ compression$/.test(name)) {
        return `alter table ${table} alter column ${column} set compression default`;
      }
      if (/ options$/.test(name)) {
        const options = [...ddl.matchAll(/(\w+)=/g)].map(([, option]) => option);
        return `alter table ${table} alter column ${column} reset (${options.join(", ")})`;
      }
      if (/ replica identity$/.test(name)) return `alter table ${table} replica identity default`;
      if (/ firing$/.test(name)) {
        return ddl.replace(/ (disable|enable \w+) trigger /, " enable trigger ");
      }
      if (/ forced row level security$/.test(name)) return ddl.replace(" force ", " no force ");
      if (/ row level security$/.test(name)) return ddl.replace(" enable ", " disable ");
      if (/ owned by$/.test(name)) return ddl.replace(/ owned by .*$/, " owned by none");
  }
}

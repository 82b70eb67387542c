import type { Database } from "../../postgres/mod.ts";
import { type CatalogObject, readDefinitions } from "../catalog/definitions.ts";
import { readDependencies } from "../catalog/dependencies.ts";
import { brokenConstraint, layOut, shortened } from "./layout.ts";
import { addedOptions, asWeWrite, lastName, listedNames, sqlPattern } from "../files/sql_text.ts";
import { afterPartitions, invalidKey, isAlone } from "./alone.ts";
import { homeSchema, project } from "../project.ts";

/** The same on every machine, so without the words that this run was called by. */
const heading = () => {
  const command = project.config.command ?? "";
  return `\
-- The schema as people read it: what the migrations build, proven equal to them. Written by
-- \`${`${command} schema`.trim()}\`; or edit it, and \`${
    `${command} diff <name>`.trim()
  }\` drafts the migration.
`;
};

/** What stands alone, in the order in which it is told where nothing else decides. */
const kinds = [
  "schema",
  "extension",
  "language",
  "access method",
  "collation",
  "type",
  "domain",
  // An expression does not say that it needs one.
  "cast",
  "sequence",
  "foreign data wrapper",
  "server",
  "user mapping",
  "table",
  "view",
  "materialized view",
  "function",
  "procedure",
  "aggregate",
  "operator",
  "operator family",
  "operator class",
  "conversion",
  "transform",
  "text search parser",
  "text search template",
  "text search dictionary",
  "text search",
  "publication",
  "event trigger",
  "default privileges",
];
/**
 * What has parts. These share no names with each other, for a function's has its arguments; a schema
 * or a publication may be called as a table is.
 */
const wholes = ["table", "view", "materialized view", "sequence", "type", "domain"]
  .concat("function", "procedure", "aggregate");
/** What is told beside the object that it is a part of, in this order. */
const parts = ["constraint", "index", "partition", "statistics", "trigger", "rule", "policy"]
  .concat("setting", "owner", "grant", "comment");

interface Block {
  head: CatalogObject;
  inside: CatalogObject[];
  beside: CatalogObject[];
}

/** The text of schema.sql for what is in the database. Equal schemas give equal text. */
export async function schemaText(db: Database, ignored: string[] = []): Promise<string> {
  // A name outside of it is written with its schema.
  const path = homeSchema() === "public" ? "public" : "";
  const objects = (await readDefinitions(db, { path, ignored }))
    .map((object) => ({ ...object, ddl: shortened(object) }));
  const needs = withCalls(await readDependencies(db), objects);
  const last = afterPartitions(objects);
  const blocks = asBlocks(objects.filter((object) => !last.has(object)));
  const late = [...cyclicReferences(blocks, needs), ...last];
  const statements: string[] = [];
  for (const object of inOrder(blocks, needs)) {
    if (object.kind === "setting" && object.name === `${object.of} foreign options`) continue;
    const block = blocks.find((b) => b.head === object);
    statements.push(block?.head.kind === "table" ? tableText(block) : partText(object));
  }
  for (const object of late) statements.push(partText(object));
  const loose = objects.filter((o) => o.kind === "comment" && o.of === null);
  for (const object of loose) statements.push(partText(object));
  // A function in SQL may name what comes after it.
  const unordered = objects.some((o) => /\blanguage sql\b[^]*\bas \$/i.test(o.ddl));
  if (unordered) statements.unshift("set check_function_bodies = off;");
  return heading() +
    statements.map((text, i) =>
      (text.startsWith("comment") && statements[i - 1]?.startsWith("comment") ? "" : "\n") + text +
      "\n"
    ).join("");
}

/**
 * PostgreSQL does not know what the body of a function calls. It may run while the schema is made,
 * for an index or a materialized view: then the other function has to be there.
 */
function withCalls(needs: Map<string, Set<string>>, objects: CatalogObject[]) {
  const functions = objects.filter(({ kind }) => kind === "function");
  const last = (name: string) => sqlPattern(String.raw`(<name>)\(`).exec(name)?.[1] ?? name;
  const byName = Map.groupBy(functions, ({ name }) => last(name));
  for (const { id, name, ddl } of functions) {
    const words = new Set(ddl.slice(ddl.indexOf("AS $")).match(sqlPattern("<name>", "g")));
    for (const other of [...words].flatMap((word) => byName.get(word) ?? [])) {
      if (other.name === name || reaches(other.id, id, needs)) continue;
      needs.set(id, (needs.get(id) ?? new Set()).add(other.id));
    }
  }
  return needs;
}

function asBlocks(objects: CatalogObject[]): Block[] {
  const blocks = objects.filter((o) => kinds.includes(o.kind))
    .sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind))
    .map((head): Block => ({ head, inside: [], beside: [] }));
  const byName = new Map(
    blocks.filter(({ head }) => wholes.includes(head.kind))
      .map((block) => [block.head.name, block]),
  );
  for (const object of objects) {
    const block = object.of === null ? undefined : byName.get(object.of);
    if (!block || object === block.head) continue;
    const inline = object.kind === "column" || object.kind === "column order" ||
      object.kind === "constraint" && block.head.kind === "table" &&
        !/ NOT VALID$/.test(object.ddl);
    (inline ? block.inside : block.beside).push(object);
  }
  const beside = (o: CatalogObject) => /^(grant|owner|setting)$/.test(o.kind);
  for (const object of objects.filter((o) => beside(o) && !byName.has(o.of ?? ""))) {
    blocks.push({ head: object, inside: [], beside: [] });
  }
  for (const { inside, beside } of blocks) {
    const columns = listedNames(inside.find((o) => o.kind === "column order")?.ddl);
    const rank = (o: CatalogObject) => {
      if (o.kind !== "comment") return 0;
      if (!o.name.startsWith("column ")) {
        return /^(table|view|type|domain) /.test(o.name) ? -1 : 999;
      }
      return columns.indexOf(lastName(o.name));
    };
    beside.sort((a, b) => parts.indexOf(a.kind) - parts.indexOf(b.kind) || rank(a) - rank(b));
  }
  return blocks;
}

/** Foreign keys that cannot stand in their table because the other table needs it first. */
function cyclicReferences(blocks: Block[], needs: Map<string, Set<string>>): CatalogObject[] {
  const late: CatalogObject[] = [];
  for (const block of blocks) {
    for (const object of block.inside.filter((o) => /^FOREIGN KEY/.test(o.ddl))) {
      const target = sqlPattern(String.raw`REFERENCES (<path>)\(`).exec(object.ddl)?.[1];
      const other = blocks.find((b) => b.head.name === target)?.head.id;
      if (!other || other === block.head.id || !reaches(other, block.head.id, needs)) continue;
      late.push(object);
      block.inside.splice(block.inside.indexOf(object), 1);
      const still = block.inside.some((o) => o.ddl.includes(`REFERENCES ${target}(`));
      if (!still) needs.get(block.head.id)?.delete(other);
    }
  }
  return late;
}

function reaches(
  from: string,
  to: string,
  needs: Map<string, Set<string>>,
  seen = new Set<string>(),
) {
  if (from === to) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  for (const next of needs.get(from) ?? []) if (reaches(next, to, needs, seen)) return true;
  return false;
}

/** Each object after what it needs, and beside what it is a part of as far as that allows. */
function inOrder(blocks: Block[], needs: Map<string, Set<string>>): CatalogObject[] {
  const owner = new Map<string, Block>();
  for (const block of blocks) {
    owner.set(block.head.id, block);
    for (const part of block.beside) if (part.id && !owner.has(part.id)) owner.set(part.id, block);
  }
  const order: CatalogObject[] = [];
  const begun = new Set<Block>();
  const requirements = (id: string, self: Block) =>
    [...new Set([...needs.get(id) ?? []].map((need) => owner.get(need)))]
      .filter((block) => block !== undefined && block !== self)
      .sort((a, b) => blocks.indexOf(a!) - blocks.indexOf(b!)) as Block[];
  const visit = (block: Block) => {
    if (begun.has(block)) return;
    begun.add(block);
    requirements(block.head.id, block).forEach(visit);
    for (const part of block.beside) {
      for (const other of requirements(part.id, block)) {
        if (!reaches(other.head.id, block.head.id, needs)) visit(other);
      }
    }
    order.push(block.head);
    for (const part of block.beside) {
      requirements(part.id, block).forEach(visit);
      order.push(part);
    }
  };
  blocks.forEach(visit);
  return order;
}

function tableText({ head, inside, beside }: Block): string {
  // A wrapper may ask for them from the first.
  const foreign = beside.find(({ name }) => name === `${head.name} foreign options`);
  const given = foreign ? ` options ${addedOptions(foreign.ddl)}` : "";
  const [, kind, options] = /^((?:unlogged |foreign )?)table ?([^]*)$/.exec(asWeWrite(head.ddl)) ??
    [];
  const order = listedNames(inside.find((o) => o.kind === "column order")?.ddl);
  const position = (o: CatalogObject) => order.indexOf(o.name.slice(head.name.length + 1));
  const rank = (o: CatalogObject) =>
    ["PRIMARY", "UNIQUE", "EXCLUDE", "FOREIGN", "CHECK"].findIndex((word) =>
      o.ddl.startsWith(word)
    );
  const columns = inside.filter((o) => o.kind === "column")
    .sort((a, b) => position(a) - position(b))
    .map((o) => `  ${o.name.slice(head.name.length + 1)} ${asWeWrite(o.ddl)}`);
  const constraints = inside.filter((o) => o.kind === "constraint")
    .sort((a, b) => rank(a) - rank(b))
    .map((o) => `  ${constraintText(o, "  ")}`);
  const body = [...columns, ...constraints].join(",\n");
  return `create ${kind}table ${head.name} (\n${body}\n)${options ? ` ${options}` : ""}${given};`;
}

function constraintText(object: CatalogObject, indent: string): string {
  const clause = `constraint ${object.name.slice(object.of!.length + 1)} ${
    asWeWrite(object.ddl.replace(invalidKey, ""))
  }`;
  return brokenConstraint(clause, indent);
}

/** A statement of its own, in our words. */
function partText(object: CatalogObject): string {
  const [, ddl, invalid] = /^([^]*?)( -- invalid)?$/.exec(object.ddl)!;
  if (object.kind !== "constraint") return layOut(object.kind, ddl!) + (invalid ?? "");
  const text = asWeWrite(object.ddl);
  const only = isAlone(object) ? "only " : "";
  return text.startsWith("alter ")
    ? `${text};`
    : `alter table ${only}${object.of}\n  add ${constraintText(object, "  ")};`;
}

import fc from "fast-check";
import document from "../../openapi.json" with { type: "json" };
import type { Json } from "./api.ts";
import { bounds, valid } from "../fuzz/values.ts";

/*
 * Rows for any collection of the document, made from its schemas, so that a new resource is tried
 * by the tests that try them all without anyone telling them of it.
 */

/** The collections in which rows can be created, such as todos. */
export const collections = Object.entries<Json>(document.paths)
  .filter(([path, item]) => item.post && path.split("/").length === 3)
  .map(([path]) => path.split("/")[2]!);

/**
 * What a field refers to where its name does not say so: room_id is of /api/rooms, but category_id
 * would need `category_id: "categories"` here.
 */
export const referred: Record<string, string> = {};

const target = (name: string) => referred[name] ?? name.replace(/_id$/, "s");

interface Caller {
  call(request: string, call: Json): Promise<{ status: number; json: Json }>;
}

let made = 0;

/** The operation that makes rows of a collection. */
function postOf(collection: string): Json {
  const post = (document.paths as Json)[`/api/${collection}`]?.post;
  if (post) return post;
  throw new Error(`tests/support/samples.ts has no body for /api/${collection}: it has no POST`);
}

/** The fields of the body that an operation takes, and their types; none where it takes none. */
export function schemaOf(operation: Json): { name: string; properties: Json; required: string[] } {
  const schema = Object.values<Json>(operation.requestBody?.content ?? {})[0]?.schema;
  if (!schema) return { name: "", properties: {}, required: [] };
  return referredTo(schema);
}

function referredTo({ $ref }: Json): { name: string; properties: Json; required: string[] } {
  const name = $ref.split("/").pop();
  const { properties = {}, required = [] } = (document.components.schemas as Json)[name];
  return { name, properties, required };
}

/** The fields of each item of a batch, which a body of one is nothing else but; undefined elsewhere. */
function itemOf(operation: Json): ReturnType<typeof schemaOf> | undefined {
  const { items } = schemaOf(operation).properties;
  return items?.type === "array" ? referredTo(items.items) : undefined;
}

/** The collection of an operation, such as todos. */
function collectionOf(operation: Json): string {
  const { operationId } = operation;
  return Object.entries<Json>(document.paths).find(([, item]) =>
    Object.values<Json>(item).some((one) => one.operationId === operationId)
  )![0].split("/")[2]!;
}

/** `course_id` is the id that `ids` has for courses, and the `id` of an item the one for its own. */
function valuesOf(operation: Json, names: string[], ids: Record<string, number>): Json {
  const item = itemOf(operation);
  const { name: schema, properties } = item ?? schemaOf(operation);
  const values = Object.fromEntries(names.map((name) => [
    name,
    name === "id"
      ? ids[collectionOf(operation)] ?? 1
      : name === "version"
      ? 1
      : name.endsWith("_id")
      ? ids[target(name)] ?? 1
      : sampleValue(properties[name], `${schema}.${name}`),
  ]));
  return item ? { items: [values] } : values;
}

/** The names of the fields that an operation takes, in the body or in each item of it. */
export function namesOf(operation: Json): string[] {
  return Object.keys((itemOf(operation) ?? schemaOf(operation)).properties);
}

/** A body that an operation takes: what is required and nothing else; undefined where it takes none. */
export function bodyOf(operation: Json, ids: Record<string, number> = {}): Json {
  return operation.requestBody &&
    valuesOf(operation, (itemOf(operation) ?? schemaOf(operation)).required, ids);
}

/** The same with every field. */
export function fullBodyOf(operation: Json, ids: Record<string, number> = {}): Json {
  return operation.requestBody &&
    valuesOf(operation, namesOf(operation), ids);
}

/** A body that creates a row. */
export function sampleBody(collection: string): Json {
  return bodyOf(postOf(collection));
}

/** The query parameters that an operation cannot do without. */
export function requiredQuery(operation: Json): Record<string, string> {
  const required = (operation.parameters ?? []).filter((p: Json) => p.in === "query" && p.required);
  return Object.fromEntries(
    required.map(({ name, schema }: Json) => [name, String(sampleValue(schema, name))]),
  );
}

/** Rows that a body's fields refer to, made for it, by their collections. */
export async function makeReferred(
  api: Caller,
  operation: Json,
  names: string[],
  key?: string | null,
): Promise<Record<string, number>> {
  const ids: Record<string, number> = {};
  if (names.includes("id") && itemOf(operation)) {
    const own = collectionOf(operation);
    ids[own] = await createSample(api, own, key);
  }
  for (const name of names.filter((name) => name.endsWith("_id"))) {
    const other = target(name);
    if (!collections.includes(other)) {
      throw new Error(
        `tests/support/samples.ts takes ${name} of ${schemaOf(operation).name} for a row of ` +
          `/api/${other}, which has no POST: name it in \`referred\` there`,
      );
    }
    ids[other] ??= await createSample(api, other, key);
  }
  return ids;
}

/** A body for an operation, with the rows that it refers to made for it. */
export async function makeBody(api: Caller, operation: Json, key?: string | null): Promise<Json> {
  const { required } = itemOf(operation) ?? schemaOf(operation);
  return bodyOf(operation, await makeReferred(api, operation, required, key));
}

/** A body that changes a row in what a creation requires, or else in all that can be changed. */
export async function makeChange(api: Caller, collection: string, row: Json, key?: string | null) {
  const { patch } = (document.paths as Json)[`/api/${collection}/{id}`];
  const { properties } = schemaOf(patch);
  const made = await makeBody(api, postOf(collection), key);
  const all = Object.keys(properties).filter((name) => !name.endsWith("_id"));
  const some = Object.keys(made).filter((name) => name in properties);
  return Object.fromEntries((some.length > 0 ? some : all).map((name) => {
    const { type, enum: names } = properties[name];
    if (names) return [name, names.find((value: Json) => value !== row[name]) ?? names[0]];
    if (type === "boolean") return [name, !row[name]];
    return [name, made[name] ?? sampleValue(properties[name], `${collection}.${name}`)];
  }));
}

/** Creates a row, and those that it refers to, and gives its id. */
export async function createSample(
  api: Caller,
  collection: string,
  key?: string | null,
): Promise<number> {
  const body = await makeBody(api, postOf(collection), key);
  const { status, json } = await api.call(`POST /api/${collection}`, { key, body });
  if (status !== 201) {
    const sent = JSON.stringify(body);
    throw new Error(`no sample of ${collection}: ${sent} is answered ${JSON.stringify(json)}`);
  }
  return json.id;
}

/** Differs from sample to sample, within its bounds: a constraint may forbid two of the same. */
function sampleValue(schema: Json, name: string): Json {
  const { enum: names, format, pattern = "", maxLength } = schema;
  const type = [schema.type].flat().find((type) => type !== "null");
  made++;
  if (names) return names[0];
  if (type === "integer") {
    const { min, max } = bounds(schema);
    const least = max < 0 ? min : Math.max(min, 0);
    return least + made % (max - least + 1);
  }
  if (type === "boolean") return false;
  const day = new Date(Date.UTC(2030, 0, made, 9)).toISOString();
  if (format === "date-time") return `${day.slice(0, 19)}Z`;
  if (format === "date") return day.slice(0, 10);
  const good = new RegExp(pattern, "u");
  const plain = [`${made} sample`.slice(0, maxLength), `sample${made}@example.com`];
  return (type === "string" ? plain : []).find((text) => good.test(text)) ??
    fc.sample(valid({ ...schema, type }, document, name), { seed: made, numRuns: 1 })[0];
}

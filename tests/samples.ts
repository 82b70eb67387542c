import document from "../openapi.json" with { type: "json" };
import type { Json } from "./api.ts";

/*
 * Rows for any collection of the document, made from its schemas, so that a new resource is tried
 * by the tests that try them all without anyone telling them of it.
 */

/** The collections in which rows can be created, such as todos. */
export const collections = Object.entries<Json>(document.paths)
  .filter(([path, item]) => item.post && path.split("/").length === 3)
  .map(([path]) => path.split("/")[2]!);

let made = 0;

/**
 * A body that creates a row: what is required and nothing else. `course_id` is the id that `ids`
 * has for courses.
 */
export function sampleBody(collection: string, ids: Record<string, number> = {}): Json {
  const { schema } = (document.paths as Json)[`/api/${collection}`]
    .post.requestBody.content["application/json"];
  const { properties, required = [] } =
    (document.components.schemas as Json)[schema.$ref.split("/").pop()];
  return Object.fromEntries(required.map((name: string) => [
    name,
    name.endsWith("_id") ? ids[referred(name)] ?? 1 : sampleValue(properties[name]),
  ]));
}

/** Creates a row, and those that it refers to, and gives its id. */
export async function createSample(
  api: { call(request: string, call: Json): Promise<{ status: number; json: Json }> },
  collection: string,
  key?: string | null,
): Promise<number> {
  const ids: Record<string, number> = {};
  for (const name of Object.keys(sampleBody(collection)).filter((name) => name.endsWith("_id"))) {
    ids[referred(name)] = await createSample(api, referred(name), key);
  }
  const body = sampleBody(collection, ids);
  const { status, json } = await api.call(`POST /api/${collection}`, { key, body });
  if (status !== 201) throw new Error(`no sample of ${collection}: ${JSON.stringify(json)}`);
  return json.id;
}

function referred(name: string): string {
  return name.replace(/_id$/, "s");
}

function sampleValue({ enum: names, type, format, pattern, minimum, maxLength }: Json): Json {
  made++;
  if (names) return names[0];
  if (type === "integer") return minimum ?? made;
  if (type === "boolean") return false;
  if (format === "date-time") return "2030-01-31T09:00:00Z";
  if (format === "date") return "2030-01-31";
  if (pattern?.includes("@")) return `sample${made}@example.com`;
  return `Sample ${made}`.slice(0, maxLength);
}

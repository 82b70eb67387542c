/** Every operation of the document, and a good request to each. */
import document from "../../openapi.json" with { type: "json" };
import type { scopes } from "../../db/_caller.ts";
import type { Json, TestApi } from "./api.ts";
import { bodyOf, collections, requiredQuery } from "./samples.ts";

/** An operation of the document. */
export interface Operation {
  name: string;
  method: string;
  path: string;
  scope: typeof scopes[number] | undefined;
  spec: Json;
}

/** All of them. */
export const operations: Operation[] = Object.entries<Json>(document.paths).flatMap((
  [path, item],
) =>
  Object.entries<Json>(item).map(([method, spec]) => ({
    name: spec.operationId,
    method: method.toUpperCase(),
    path,
    scope: spec.security?.[0]?.apiKey[0],
    spec,
  }))
);
/** Those that need no key. */
export const open = operations.filter(({ scope }) => scope === undefined);
export const secured = operations.filter(({ scope }) => scope !== undefined);
/** Those of an admin are for everybody's rows. */
export const byId = secured.filter(({ path, scope }) => path.includes("{id}") && scope !== "admin");
/** The collections of rows that belong to a user. */
export const own = collections.filter((collection) => collection !== "users");
export type Id = string | number;

/** Such as `todos`. */
export function collectionOf({ path }: Operation): string {
  return path.split("/")[2]!;
}

/** With a good body and the query parameters that it cannot do without. */
export function call(
  api: TestApi,
  operation: Operation,
  key: string | null,
  id: Id = 1,
  body?: Json,
) {
  const path = operation.path.replace("{id}", String(id));
  const query = new URLSearchParams(requiredQuery(operation.spec));
  const request = `${operation.method} ${path}${query.size > 0 ? `?${query}` : ""}`;
  return api.call(request, { key, body: body ?? bodyOf(operation.spec) });
}

/** The id of the user with this address, who is made if missing. */
export async function userId(api: TestApi, email: string): Promise<number> {
  return (await api.call("GET /api/me", { key: await api.key(email) })).json.id;
}

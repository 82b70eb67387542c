/**
 * Every operation of the document, in each of the shapes that its statement can take: every sort,
 * every filter alone and all together, the first page and the next, every field of a body alone and
 * all together, with and without the headers that it takes. Made from the document, so that a new
 * operation is tried without anybody telling the tests of it.
 */
import document from "../../openapi.json" with { type: "json" };
import { formatKey, newSecret } from "../../db/_secret.ts";
import { installKey } from "../../db/keys.ts";
import type { Database } from "../../postgres/mod.ts";
import { createApp } from "../../routes/mod.ts";
import type { Json } from "./api.ts";
import { recorded, type Sent } from "./queries.ts";
import {
  bodyOf,
  collections,
  createSample,
  fullBodyOf,
  makeReferred,
  requiredQuery,
  schemaOf,
} from "./samples.ts";

interface Caller {
  call(request: string, call: Json): Promise<{ status: number; json: Json }>;
}

/** The id of the user who sends them. */
export const callerId = "7001001";

/** Sends them all. What they are answered does not matter here. */
async function sendEveryRequest(api: Caller, key: string) {
  // A list without a second row has no second page.
  for (const collection of [...collections, ...collections]) {
    await createSample(api, collection, key).catch(() => {});
  }
  for (const [path, item] of Object.entries<Json>(document.paths)) {
    for (const [method, operation] of Object.entries<Json>(item)) {
      if (operation.responses[200] && !operation.responses[200].content?.["application/json"]) {
        continue;
      }
      await sendInEveryShape(api, `${method.toUpperCase()} ${path}`, operation, key);
    }
  }
}

async function sendInEveryShape(api: Caller, request: string, operation: Json, key: string) {
  const id = () => request.includes("{id}") ? sample(api, request, key) : 0;
  const bodies = await bodiesOf(api, operation, key);
  for (const query of queriesOf(operation)) {
    for (const headers of headersOf(operation)) {
      for (const body of bodies) {
        const search = new URLSearchParams(query);
        const target = request.replace("{id}", String(await id()));
        const send = () => api.call(`${target}?${search}`, { key, body, headers });
        const { json } = await send();
        if (!json?.next_cursor) continue;
        search.set("cursor", json.next_cursor);
        await send();
      }
    }
  }
}

/** The row of a path such as /api/students/{id}/todos, with two todos; 1 where none can be made. */
async function sample(api: Caller, request: string, key: string): Promise<number> {
  const [, , collection, , nested] = request.split("/") as [
    string,
    string,
    string,
    string,
    string?,
  ];
  try {
    const id = await createSample(api, collection, key);
    const post = (document.paths as Json)[`/api/${nested}`]?.post;
    for (let n = 0; post && n < 2; n++) {
      await api.call(`POST /api/${nested}`, { key, body: fullBodyOf(post, { [collection]: id }) });
    }
    return id;
  } catch {
    return 1;
  }
}

/** Pages of one row, so that there is a next one. */
function queriesOf(operation: Json): Record<string, string>[] {
  const parameters: Json[] = (operation.parameters ?? []).filter((p: Json) => p.in === "query");
  const required = requiredQuery(operation);
  const isPage = parameters.some(({ name }) => name === "cursor");
  const limit: Record<string, string> = isPage ? { limit: "1" } : {};
  const sorts: string[] = parameters.find(({ name }) => name === "sort")?.schema.enum ?? [];
  const filters = parameters.filter(({ name }) => !["limit", "cursor", "sort"].includes(name));
  const alone = filters.flatMap(({ name, schema }) =>
    valuesOf(schema).map((value) => ({ [name]: value }))
  );
  const together = alone.length > 1 ? [Object.assign({}, ...alone)] : [];
  const chosen: Record<string, string>[] = [{}, ...alone, ...together];
  return [undefined, ...sorts].flatMap((sort) =>
    chosen.map((some) => ({ ...required, ...limit, ...(sort && { sort }), ...some }))
  );
}

/** Values of a filter that choose another statement, or most rows. */
function valuesOf({ type, enum: names, format }: Json): string[] {
  if (names) return names;
  if (type === "boolean") return ["true", "false"];
  if (type === "integer") return ["1"];
  if (format === "date-time") return ["2030-01-31T09:00:00Z"];
  if (format === "date") return ["2030-01-31"];
  return ["sample"];
}

/** Without a header, and with all that it takes. */
function headersOf(operation: Json): Record<string, string>[] {
  const known: Record<string, string> = {
    "if-match": '"1"',
    "idempotency-key": `${Math.random()}`,
  };
  const names: string[] = (operation.parameters ?? []).filter((p: Json) => p.in === "header")
    .map(({ name }: Json) => name).filter((name: string) => name in known);
  if (names.length === 0) return [{}];
  return [{}, Object.fromEntries(names.map((name) => [name, known[name]!]))];
}

/** What is required, everything, and each other field or value that a field names beside it. */
async function bodiesOf(api: Caller, operation: Json, key: string): Promise<Json[]> {
  if (!operation.requestBody) return [undefined];
  const names = Object.keys(fullBodyOf(operation));
  const ids = await makeReferred(api, operation, names, key).catch(() => ({}));
  const [least, full] = [bodyOf(operation, ids), fullBodyOf(operation, ids)];
  const { properties } = schemaOf(operation);
  const each = Object.entries<Json>(full).flatMap(([name, value]) =>
    (properties[name].enum ?? [value]).map((value: Json) => ({ ...least, [name]: value }))
  );
  return [least, full, ...each];
}

/**
 * What every query sends in all of its shapes, on this database: by the API for whoever may do
 * everything, and by hand what no operation asks for.
 */
export async function sendEveryQuery(database: Database): Promise<Sent[]> {
  const { db, sent } = recorded(database);
  const app = createApp({ db, environment: "test", corsOrigins: [], rateLimit: 0, log() {} });
  const { secret, hash } = newSecret();
  // No other value is the caller's id, so that it is found among the parameters.
  await database.script(`select setval('users_id_seq', ${callerId}, false)`);
  const installed = await installKey(db, { email: "a@b.c", scope: "admin", name: "x", hash })
    // A schema that refuses it is what the statements are described against.
    .catch(() => [{ owner_id: callerId, id: "1" }]);
  const key = formatKey("test", { ownerId: installed[0]!.owner_id, id: installed[0]!.id, secret });
  const api = {
    async call(request: string, { body, headers }: Json) {
      const [method, path] = request.split(" ") as [string, string];
      const answer = await app.request(path, {
        method,
        headers: {
          ...headers,
          authorization: `Bearer ${key}`,
          ...(body && { "content-type": "application/json" }),
        },
        body: body && JSON.stringify(body),
      });
      const text = await answer.text();
      return { status: answer.status, json: /^[[{]/.test(text) ? JSON.parse(text) : undefined };
    },
  };
  await sendEveryRequest(api, key);
  // A request that is refused before its statement still proves who asks.
  await api.call("GET /api/todos?unknown=1", {});
  return sent;
}

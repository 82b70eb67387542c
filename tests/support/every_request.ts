/**
 * Every operation of the document, in each of the shapes that its statement can take: every sort,
 * every filter alone and all together, the first page and the next, every field of a body alone and
 * all together, with and without the headers that it takes. Made from the document, so that a new
 * operation is tried without anybody telling the tests of it.
 */
import document from "../../openapi.json" with { type: "json" };
import { digest, formatKey, newSecret } from "../../db/_secret.ts";
import { findAccount, installKey } from "../../db/keys.ts";
import { type Database, sql } from "../../postgres/mod.ts";
import { createApp } from "../../routes/mod.ts";
import type { Json } from "./api.ts";
import { recorded, type Sent } from "./queries.ts";
import { until } from "./pool.ts";
import {
  bodyOf,
  collections,
  createSample,
  fullBodyOf,
  makeReferred,
  namesOf,
  requiredQuery,
  schemaOf,
} from "./samples.ts";

/** The id of the user who sends them, and of their key; no other parameter has these values. */
export const callerId = "7001001";
const keyId = "7002001";

/** A request, as far as its statement can be told from it. */
export interface Request {
  operationId: string;
  /** Such as `GET /api/todos?sort=due_date`. */
  target: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  body: Json;
  /** One of those that stand for all: the others differ in a filter, a sort or a field more. */
  plain: boolean;
  /** What a parameter of its statement means, by the value. */
  meanings: Map<unknown, string>;
}

/**
 * What every query sends in all of its shapes, on this database: by the API for whoever may do
 * everything, and by hand what no operation asks for.
 */
export async function sendEveryQuery(database: Database): Promise<Sent<Request>[]> {
  const { db, sent, during } = recorded<Request>(database);
  const app = createApp({ db, environment: "test", corsOrigins: [], rateLimit: 0, log() {} });
  await database.script(`
    select setval('users_id_seq', ${callerId}, false), setval('keys_id_seq', ${keyId}, false)`);
  const { secret, hash } = newSecret();
  const first = { email: "ada@example.com", scope: "admin" as const, name: "laptop", hash };
  // A schema that refuses it is what the statements are described against.
  await during(
    byHand("installKey", { ...first, "the part before the @": "ada" }),
    () => installKey(db, first),
  ).catch(() => {});
  await during(
    byHand("findAccount", { email: first.email }),
    () => findAccount(db, first.email),
  ).catch(() => {});
  const key = formatKey("test", { ownerId: callerId, id: keyId, secret });
  const caller: [unknown, string][] = [
    [callerId, "the caller's id"],
    [keyId, "the id of the caller's key"],
    [hash, "SHA-256 of its secret"],
  ];

  async function call(target: string, { body, headers }: Json, request?: Request) {
    const [method, path] = target.split(" ") as [string, string];
    const text = body && JSON.stringify(body);
    for (const [value, meaning] of caller) request?.meanings.set(value, meaning);
    if (text) request?.meanings.set(digest(text), "SHA-256 of the body");
    const send = () =>
      app.request(path, {
        method,
        headers: {
          ...headers,
          authorization: `Bearer ${key}`,
          ...(body && { "content-type": "application/json" }),
        },
        body: text,
      });
    const answer = await (request ? during(request, send) : send());
    const json = await answer.text();
    return { status: answer.status, json: /^[[{]/.test(json) ? JSON.parse(json) : undefined };
  }

  // A list without a third row has no second page.
  for (const collection of [...collections, ...collections, ...collections]) {
    await createSample({ call }, collection).catch(() => {});
  }
  await beSeen(database);
  for (const [path, item] of Object.entries<Json>(document.paths)) {
    for (const [method, operation] of Object.entries<Json>(item)) {
      if (operation.responses[200] && !operation.responses[200].content?.["application/json"]) {
        continue;
      }
      for await (
        const request of shapesOf({ call }, `${method.toUpperCase()} ${path}`, operation)
      ) {
        await call(request.target, request, request);
      }
    }
  }
  // A request that is refused before its statement still proves who asks.
  await call("GET /api/me?unknown=1", {}, byHand("proveCaller", {}));
  return sent;
}

/**
 * Waits until GET /api/changes shows all that was written before. It holds back what is newer than a
 * transaction that is open anywhere on the server, so also one of another test beside this one.
 */
async function beSeen(db: Database) {
  const [row] = await db.query<{ now: string }>(sql`select pg_current_xact_id()::text as now`);
  await until(async () => {
    const [seen] = await db.query(sql`
      select where pg_snapshot_xmin(pg_current_snapshot()) > ${row!.now}::xid8`);
    return seen !== undefined;
  });
}

interface Caller {
  call(
    target: string,
    request: Json,
    recorded?: Request,
  ): Promise<{ status: number; json: Json }>;
}

/** A request that no operation of the document makes. */
function byHand(operationId: string, values: Record<string, unknown>): Request {
  const meanings = new Map(Object.entries(values).map(([name, value]) => [value, name]));
  return { operationId, target: "", query: {}, headers: {}, body: {}, plain: true, meanings };
}

async function* shapesOf(
  api: Caller,
  route: string,
  operation: Json,
): AsyncGenerator<Request> {
  const { operationId } = operation;
  for (const [headers, body, query, plain] of await partsOf(api, operation)) {
    const id = route.includes("{id}") ? await sample(api, route) : 0;
    const meanings = new Map<unknown, string>([
      [operationId, "the operation"],
      [`${operationId}/${id}`, "the operation and the row's id"],
      ...named({ ...query, ...body, ...headers }),
      ["0", "before all"],
      ["9223372036854775807", "after all"],
      ["", "no kind"],
      ...id ? [[String(id), "the row's id"]] as [string, string][] : [],
      // PostgreSQL sees the number of rows as a number, and a version as text.
      [2, "limit"],
    ]);
    const target = (search: URLSearchParams) =>
      `${route.replace("{id}", String(id))}${search.size > 0 ? `?${search}` : ""}`;
    const search = new URLSearchParams(query);
    const request = { operationId, target: target(search), query, headers, body, meanings };
    yield { ...request, plain: plain && !("sort" in query) };
    if (!("limit" in query)) continue;
    const { json } = await api.call(request.target, request);
    if (!json?.next_cursor) continue;
    search.set("cursor", json.next_cursor);
    const [, ...parts] = JSON.parse(
      atob(json.next_cursor.replaceAll("-", "+").replaceAll("_", "/")),
    );
    const names = parts.length === 2 ? ofPage : ofChanges;
    for (const [n, part] of parts.entries()) meanings.set(part, names[n]!);
    yield { ...request, target: target(search), plain: plain && "sort" in query };
  }
}

/** What the cursors of lists and of changes hold. */
const ofPage = ["the id of the last row before", "its value of the sort"];
const ofChanges = [
  "the number of the last change's transaction",
  "its kind",
  "its row's id",
  "when the copy was complete",
];

/** Values by the names of their fields; a version without its quotes. */
function named(values: Record<string, unknown>): [unknown, string][] {
  return Object.entries(values).filter(([name]) => name !== "limit").map(([name, value]) => [
    typeof value === "string" ? value.replaceAll('"', "") : value,
    name,
  ]);
}

/** Every combination of headers, bodies and queries, and whether it is one that stands for all. */
async function partsOf(api: Caller, operation: Json) {
  const parts: [Record<string, string>, Json, Record<string, string>, boolean][] = [];
  for (const headers of headersOf(operation)) {
    for (const [body, full] of await bodiesOf(api, operation)) {
      for (const [query, one] of queriesOf(operation)) {
        parts.push([headers, body, query, full && one]);
      }
    }
  }
  return parts;
}

/** The row of a path such as /api/students/{id}/todos, with three todos; 1 where none can be made. */
async function sample(api: Caller, route: string): Promise<number> {
  const [, , collection, , nested] = route.split("/") as [string, string, string, string, string?];
  try {
    const id = await createSample(api, collection);
    const post = (document.paths as Json)[`/api/${nested}`]?.post;
    for (let n = 0; post && n < 3; n++) {
      await api.call(`POST /api/${nested}`, { body: fullBodyOf(post, { [collection]: id }) });
    }
    return id;
  } catch {
    return 1;
  }
}

/** Pages of two rows, so that there is a next one. Plain are those with one sort or one filter. */
function queriesOf(operation: Json): [Record<string, string>, plain: boolean][] {
  const parameters: Json[] = (operation.parameters ?? []).filter((p: Json) => p.in === "query");
  const required = requiredQuery(operation);
  const isPage = parameters.some(({ name }) => name === "cursor");
  const limit: Record<string, string> = isPage ? { limit: "2" } : {};
  const sorts: string[] = parameters.find(({ name }) => name === "sort")?.schema.enum ?? [];
  const filters = parameters.filter(({ name }) => !["limit", "cursor", "sort"].includes(name));
  const alone: Record<string, string>[] = filters.flatMap(({ name, schema }) =>
    valuesOf(schema).map((value) => ({ [name]: value }))
  );
  const together = alone.length > 1 ? [Object.assign({}, ...alone)] : [];
  const none = {};
  return [none, ...sorts.map((sort) => ({ sort }))].flatMap((order) =>
    [none, ...alone, ...together].map((filter): [Record<string, string>, boolean] => [
      { ...required, ...limit, ...order, ...filter },
      filter === none || (order === none && alone.includes(filter)),
    ])
  );
}

/** Values of a filter that choose another statement, or most rows. */
function valuesOf({ type, enum: names, format }: Json): string[] {
  if (names) return names;
  if (type === "boolean") return ["true", "false"];
  if (type === "integer") return ["3"];
  if (format === "date-time") return ["2030-01-31T09:00:00Z"];
  if (format === "date") return ["2030-01-31"];
  return ["sample"];
}

/** Without a header, and with all that it takes. */
function headersOf(operation: Json): Record<string, string>[] {
  const known: Record<string, string> = {
    "if-match": '"1"',
    "idempotency-key": crypto.randomUUID(),
  };
  const names: string[] = (operation.parameters ?? []).filter((p: Json) => p.in === "header")
    .map(({ name }: Json) => name).filter((name: string) => name in known);
  if (names.length === 0) return [{}];
  return [{}, Object.fromEntries(names.map((name) => [name, known[name]!]))];
}

/** Everything, which stands for all; what is required; and each other field or value beside it. */
async function bodiesOf(api: Caller, operation: Json): Promise<[Json, plain: boolean][]> {
  if (!operation.requestBody) return [[undefined, true]];
  const names = namesOf(operation);
  const ids = await makeReferred(api, operation, names).catch(() => ({}));
  const [least, full] = [bodyOf(operation, ids), fullBodyOf(operation, ids)];
  const { properties } = schemaOf(operation);
  // One text holds all that is said of the items of a batch, so it is one statement.
  if (full.items) return [[full, true]];
  const each = Object.entries<Json>(full).flatMap(([name, value]) =>
    (properties[name].enum ?? [value]).map((value: Json) => ({ ...least, [name]: value }))
  );
  return [[full, true], [least, false], ...each.map((body): [Json, boolean] => [body, false])];
}

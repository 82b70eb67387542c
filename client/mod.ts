/**
 * A typed client of Slate's API: `createSlateClient({ baseUrl, key })`. Every path, parameter, body
 * and answer is typed from openapi.json. It needs `fetch` and nothing else, so it runs in Deno, in
 * Node from 20 and in browsers.
 */
import createClient, { type Client, type ClientOptions } from "openapi-fetch";
import { retrying, type RetryOptions } from "./retry.ts";
import type { components, paths } from "./schema.ts";
import { type Copy, copyOf, type Kind, type PullOptions } from "./sync.ts";

export type { components, paths };
export type { Copy, Kind, PullOptions };
export type Schemas = components["schemas"];

export interface SlateOptions {
  /** Where Slate is, such as `https://slate.example.com`. */
  baseUrl: string;
  /** An API key. Without one only the operations that need none can be called. */
  key?: string;
  /** How failed requests are retried; `false`: not at all. */
  retry?: Partial<RetryOptions> | false;
  /** Instead of the platform's own. */
  fetch?: (request: Request) => Promise<Response>;
}

/** The paths whose GET answers a page of a list, which has an end. */
export type ListPath = {
  [Path in keyof paths]: paths[Path] extends { get: { responses: { 200: infer Answer } } }
    ? Answer extends { content: { "application/json": { next_cursor: infer Cursor } } }
      ? null extends Cursor ? Path : never
    : never
    : never;
}[keyof paths];

type List<Path extends ListPath> = paths[Path]["get"];

/** A row of a list. */
export type Row<Path extends ListPath> = List<Path>["responses"][200]["content"][
  "application/json"
]["data"][number];

/** The parameters of a list, `params` as openapi-fetch has them. */
export type ListParams<Path extends ListPath> = Pick<List<Path>["parameters"], "query" | "path">;

export interface SlateClient extends Client<paths> {
  /**
   * Every row of a list. The next page is fetched when the loop gets to it:
   * `for await (const todo of slate.list("/api/todos", { query: { completed: false } }))`.
   * Throws SlateError.
   */
  list<Path extends ListPath>(path: Path, params?: ListParams<Path>): AsyncGenerator<Row<Path>>;
  /**
   * A copy of all rows of a kind, to be kept up to date:
   * `const todos = slate.sync("todo"); await todos.pull(); todos.rows.get(7)`. pull() throws SlateError.
   */
  sync<K extends Kind>(kind: K): Copy<K>;
}

/** An error that the API answered (RFC 9457). `problem.code` is permanent: branch on it. */
export class SlateError extends Error {
  override name = "SlateError";
  constructor(readonly problem: Schemas["Problem"]) {
    super(`${problem.status} ${problem.code}: ${problem.detail}`);
  }
}

/**
 * The data of an answer. Throws SlateError for a problem, and an Error where something else answered,
 * such as a proxy without a body.
 */
function dataOf<Data>(answer: { data?: Data; error?: Schemas["Problem"]; response: Response }) {
  const { data, error, response } = answer;
  if (response.ok && data !== undefined) return data;
  if (error?.code) throw new SlateError(error);
  throw new Error(`${response.status} from ${response.url}, which is no answer of Slate's`);
}

/**
 * The client. Each POST gets an Idempotency-Key unless it has one, so that it can be sent again
 * after a broken connection and is still done once.
 */
export function createSlateClient({ baseUrl, key, retry, fetch }: SlateOptions): SlateClient {
  const send = fetch ?? ((request: Request) => globalThis.fetch(request));
  const options: ClientOptions = {
    baseUrl,
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    fetch: retry === false ? send : retrying(send, retry),
  };
  const client = createClient<paths>(options);
  client.use({
    onRequest({ request }) {
      if (request.method === "POST" && !request.headers.has("idempotency-key")) {
        request.headers.set("idempotency-key", crypto.randomUUID());
      }
      return request;
    },
  });

  async function* list<Path extends ListPath>(path: Path, params?: ListParams<Path>) {
    let cursor: string | null | undefined;
    do {
      const query = cursor ? { ...params?.query, cursor } : params?.query;
      // The types of list() have checked the path and its parameters.
      const page = dataOf(
        await client.GET(
          path as "/api/users",
          { params: { ...params, query } } as Record<string, unknown>,
        ),
      );
      yield* page.data as Row<Path>[];
      cursor = page.next_cursor;
    } while (cursor);
  }

  function sync<K extends Kind>(kind: K) {
    return copyOf(kind, async ({ cursor, mayExpire, signal }) => {
      const query = { limit: 100, ...cursor !== undefined && { cursor } };
      const answer = await client.GET("/api/changes", { params: { query }, signal });
      if (mayExpire && answer.error?.code === "cursor_expired") return undefined;
      return dataOf(answer);
    });
  }

  return Object.assign(client, { list, sync });
}

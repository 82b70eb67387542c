import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { newSecret } from "../../db/_secret.ts";
import { formatKey } from "../../db/_secret.ts";
import { installKey } from "../../db/keys.ts";
import type { Database } from "../../postgres/mod.ts";
import type { Scope } from "../../db/_caller.ts";
import { openapiDocument } from "../../routes/docs.ts";
import { createApp } from "../../routes/mod.ts";
import {
  asPatientApplication,
  connectPatiently,
  createDatabase,
  type TestDatabase,
} from "./database.ts";

// deno-lint-ignore no-explicit-any -- JSON, whose shape the checks below prove
export type Json = any;

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The parsed body; undefined where there is none. */
  json: Json;
}

export interface Call {
  body?: unknown;
  /** Sent as it is, instead of `body`. */
  raw?: BodyInit;
  headers?: Record<string, string>;
  /** The key to call with; null calls without one. By default the first user's, of scope write. */
  key?: string | null;
  /** Where the request comes from; by default from nowhere, as no network is in between. */
  address?: string;
  /** Whether an answer of 500 is what the test is about; else it is thrown, with its reason. */
  fails?: true;
}

export interface TestApi extends AsyncDisposable {
  database: TestDatabase;
  /** The app's own connections, as the application's role. */
  db: Database;
  app: ReturnType<typeof createApp>;
  /** The lines that were logged. */
  log: string[];
  /** Calls the API as `GET /api/todos`, and checks the answer against the document. */
  call(request: string, call?: Call): Promise<Answer>;
  /** A key for the user with this address, who is made if missing. */
  key(email: string, scope?: Scope): Promise<string>;
}

interface TestOptions extends Partial<Parameters<typeof createApp>[0]> {
  /** What a request waits for is what the test is about: no node of a cluster ends its statement. */
  waits?: true;
}

/**
 * The API on a database of its own, which it uses as the application's role, or where it `waits` as
 * the owner; `database.db` is the owner's. Every answer is checked against the OpenAPI document.
 */
export async function createApi({ waits, ...options }: TestOptions = {}) {
  const database = await createDatabase();
  const log: string[] = [];
  /** What the log says of each request that failed, which its caller is never told. */
  const failures = new Map<string, string>();
  const own = options.db ? undefined : connectPatiently(
    waits ? database.settings : await asPatientApplication(database),
    { size: 4 },
  );
  const db = options.db ?? own!;
  const app = createApp({
    db,
    environment: "test",
    corsOrigins: [],
    rateLimit: 0,
    ...options,
    log(line) {
      log.push(line);
      if (line.includes('"error":')) {
        const { request_id, error } = JSON.parse(line);
        failures.set(request_id, error);
      }
      options.log?.(line);
    },
  });
  const check = contractOf(app);

  async function key(email: string, scope: Scope = "write") {
    const { secret, hash } = newSecret();
    const [row] = await installKey(database.db, { email, scope, name: "test", hash });
    return formatKey("test", { ownerId: row!.owner_id, id: row!.id, secret });
  }
  const ada = await key("ada@example.com");

  async function call(request: string, call: Call = {}): Promise<Answer> {
    const [method, path] = request.split(" ") as [string, string];
    const headers = new Headers(call.headers);
    const { key = ada } = call;
    if (key !== null && !headers.has("authorization")) {
      headers.set("authorization", `Bearer ${key}`);
    }
    let body = call.raw;
    if (call.body !== undefined) {
      body = JSON.stringify(call.body);
      if (!headers.has("content-type")) headers.set("content-type", "application/json");
    }
    const url = new URL(path, "http://localhost");
    if (call.address !== undefined) headers.set("host", url.host);
    const from = call.address && { remoteAddr: { hostname: call.address } };
    const response = await app.request(url.href, { method, headers, body }, from);
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    const answer = {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson && text !== "" ? JSON.parse(text) : undefined,
    };
    if (answer.status === 500 && !call.fails) {
      const reason = failures.get(answer.headers.get("x-request-id")!);
      throw new Error(`${request} answered 500: ${reason}`);
    }
    check(method, url.pathname, answer);
    return answer;
  }

  const api: TestApi = {
    database,
    db,
    app,
    log,
    call,
    key,
    async [Symbol.asyncDispose]() {
      await own?.close();
      await database[Symbol.asyncDispose]();
    },
  };
  return api;
}

const contracts = new Map<string, ReturnType<typeof contract>>();

/** Documents differ by what an app is given, and a validator takes longer than most of the tests. */
function contractOf(app: TestApi["app"]) {
  const document = openapiDocument(app);
  const text = JSON.stringify(document);
  return contracts.getOrInsertComputed(text, () => contract(document));
}

/** Throws where an answer is not one that the document declares [28]. */
export function contract(document: Json) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema(document, "api");
  const validators = new Map<string, ValidateFunction>();
  const patterns = Object.keys(document.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`),
  }));

  return (method: string, pathname: string, answer: Answer) => {
    const fail = (why: string) => {
      throw new Error(`${method} ${pathname} answered ${answer.status}, ${why}: ${answer.text}`);
    };
    const exact = patterns.find(({ path }) => path === pathname);
    const path = (exact ?? patterns.find(({ pattern }) => pattern.test(pathname)))?.path;
    const operation = path &&
      document.paths[path][method === "HEAD" ? "get" : method.toLowerCase()];
    // Outside of the document only an unknown address, a wrong method and OPTIONS are answered.
    if (!operation) {
      const allowed = path ? [204, 405, 406] : [204, 404, 406];
      if (!allowed.includes(answer.status)) fail("which is not declared");
      return;
    }
    const declared = operation.responses[answer.status];
    if (!declared) return fail("which is not declared");
    const type = answer.headers.get("content-type");
    const types = Object.keys(declared.content ?? {});
    if (types.length === 0 || method === "HEAD") {
      if (answer.text !== "") fail("with a body that is not declared");
      return;
    }
    if (!type || !types.includes(type)) return fail(`with the type ${type}`);
    const pointer = [
      "paths",
      path,
      method.toLowerCase(),
      "responses",
      answer.status,
      "content",
      type,
      "schema",
    ]
      .map((part) => encodeURIComponent(String(part).replaceAll("~", "~0").replaceAll("/", "~1")))
      .join("/");
    let validate = validators.get(pointer);
    if (!validate) {
      validate = ajv.compile({ $ref: `api#/${pointer}` });
      validators.set(pointer, validate);
    }
    if (!validate(/json/.test(type) ? answer.json : answer.text)) {
      fail(ajv.errorsText(validate.errors));
    }
  };
}

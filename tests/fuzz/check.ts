import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { assert, assertEquals } from "@std/assert";
import { type Answer, createApi, type Json, type TestApi } from "../support/api.ts";
import { createSample } from "../support/samples.ts";
import type { Generated, Operation } from "./requests.ts";

/** Sends what was generated for one operation, on a database of its own, and judges the answers. */
export class Checker implements AsyncDisposable {
  /** How often each status was answered. */
  readonly statuses: Record<number, number> = {};
  readonly #api: TestApi;
  readonly #operation: Operation;
  readonly #keys: Record<Generated["key"], string | null>;
  readonly #validators = new Map<Json, ValidateFunction>();
  readonly #ajv = new Ajv2020({ strict: false });
  #ids: number[] = [];
  /** What the log says of answers from 500 on. */
  readonly #errors: string[];
  #sent = 0;

  private constructor(
    api: TestApi,
    operation: Operation,
    document: Json,
    { admin, read, errors }: { admin: string; read: string; errors: string[] },
  ) {
    this.#api = api;
    this.#errors = errors;
    this.#operation = operation;
    this.#keys = { admin, read, none: null, forged: `${admin.slice(0, -43)}${"A".repeat(43)}` };
    formats.default(this.#ajv);
    this.#ajv.addSchema(document, "api");
  }

  static async open(operation: Operation, document: Json): Promise<Checker> {
    const errors: string[] = [];
    const api = await createApi({
      log: (line) => void (line.includes('"level":"error"') && errors.push(line)),
    });
    // Out of reach of the small ids that are generated: an operation must not delete who sends it.
    await api.database.db.script(
      "select setval('users_id_seq', 1000000), setval('keys_id_seq', 1000000)",
    );
    const admin = await api.key("fuzz@example.org", "admin");
    const read = await api.key("fuzz@example.org", "read");
    await api.database.db.script(
      "select setval('users_id_seq', 1000), setval('keys_id_seq', 1000)",
    );
    return new Checker(api, operation, document, { admin, read, errors });
  }

  async [Symbol.asyncDispose]() {
    await this.#api[Symbol.asyncDispose]();
  }

  /** Throws where an answer is not what the document promises. */
  async send(request: Generated) {
    // Answers that need no database would never let the others' databases have a word.
    if (++this.#sent % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    const { method, path, spec } = this.#operation;
    const id = path.includes("{id}") ? await this.#id(request.id) : "";
    const query = new URLSearchParams(request.query).toString();
    const search = [query, request.rawQuery].filter(Boolean).join("&");
    const target = path.replace("{id}", id) + (search && `?${search}`);
    const headers = { ...request.headers };
    if (request.type) headers["content-type"] = request.type;
    const answer = await this.#api.call(`${method} ${target}`, {
      key: this.#keys[request.key],
      headers,
      raw: request.body,
    });
    this.statuses[answer.status] = (this.statuses[answer.status] ?? 0) + 1;
    const why = () => `${answer.status} ${answer.text.slice(0, 500)} to ${method} ${target}`;
    assert(answer.status < 500, `${why()}: ${this.#errors.at(-1)}`);
    // An address that is no text is refused before anybody is asked who they are.
    if (!decodes(target)) return assertEquals(answer.status, 400, why());
    if (spec.security?.length > 0) {
      if (request.key === "none" || request.key === "forged") {
        return assertEquals(answer.status, 401, why());
      }
      if (request.key === "read" && spec.security[0].apiKey[0] !== "read") {
        return assertEquals(answer.status, 403, why());
      }
    }
    const faults = this.#faults(request, id);
    if (faults.length > 0) {
      const expected = new Set(faults);
      assert(expected.has(answer.status), `${why()}: expected ${[...expected].join(" or ")}`);
    } else {
      assert(this.#accepted(answer, request), `${why()}: the document accepts this`);
      await this.#holds(answer, target, this.#keys[request.key]!);
    }
  }

  async #id(choice: Generated["id"]): Promise<string> {
    if ("text" in choice) return choice.text;
    const collection = this.#operation.path.split("/")[2]!;
    while (this.#ids.length < 5) {
      this.#ids.push(await createSample(this.#api, collection, this.#keys.admin));
    }
    return String(this.#ids[choice.n % this.#ids.length]);
  }

  /** The statuses that the faults of a request may have; empty for a request that is good. */
  #faults(request: Generated, id: string): number[] {
    const { spec } = this.#operation;
    const faults: number[] = [];
    const seen = new Set<string>();
    if (request.rawQuery !== "") faults.push(400);
    for (const parameter of spec.parameters ?? []) {
      if (parameter.in === "path" && !this.#matches(parameter.schema, id)) faults.push(400);
    }
    const missing = (spec.parameters ?? []).filter((p: Json) =>
      p.in === "query" && p.required && !request.query.some(([name]) => name === p.name)
    );
    if (missing.length > 0) faults.push(400);
    for (const [name, value] of request.query) {
      const parameter = spec.parameters.find((p: Json) => p.in === "query" && p.name === name);
      if (seen.has(name) || !this.#matches(parameter.schema, value)) faults.push(400);
      seen.add(name);
    }
    for (const [name, value] of Object.entries(request.headers)) {
      const parameter = spec.parameters.find((p: Json) => p.in === "header" && p.name === name);
      if (!new RegExp(parameter.schema.pattern ?? "").test(value)) faults.push(400);
      // Whether the caller has the row already is asked only where there is a row.
      if (name.startsWith("if-") && !/^(\*|((W\/)?"[^"]*"(, )?)+)$/.test(value)) {
        faults.push(400, ...(name === "if-none-match" ? [404] : []));
      }
    }
    if (spec.requestBody) faults.push(...this.#bodyFaults(request));
    return faults;
  }

  #bodyFaults({ type, body }: Generated): number[] {
    const { content, required } = this.#operation.spec.requestBody;
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body!;
    const known = type !== undefined && type.split(";")[0]!.trim() in content &&
      !/latin1/.test(type);
    const tooLarge = bytes.length > 65_536 ? [413] : [];
    // Of two faults either may be told: an optional body is seen only when it is read.
    if (!known && (type !== undefined || required || bytes.length > 0)) return [415, ...tooLarge];
    if (tooLarge.length > 0) return tooLarge;
    if (bytes.length === 0 && !required) return [];
    let value;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
      return [400];
    }
    const [{ schema }] = Object.values<Json>(content) as [Json];
    return this.#validate(schema, value) ? [] : [422];
  }

  /** Whether a text is what a parameter's schema says, read as the schema's type. */
  #matches(schema: Json, text: string): boolean {
    let value: unknown = text;
    if (schema.type === "integer") value = /^(0|-?[1-9]\d*)$/.test(text) ? Number(text) : text;
    if (schema.type === "boolean") value = text === "true" ? true : text === "false" ? false : text;
    return this.#validate(schema, value);
  }

  #validate(schema: Json, value: unknown): boolean {
    let validate = this.#validators.get(schema);
    if (!validate) {
      const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/'));
      validate = this.#ajv.compile(absolute);
      this.#validators.set(schema, validate);
    }
    return validate(value);
  }

  /** What a good request may be told, because of what is there and what is not. */
  #accepted({ status, json }: Answer, request: Generated): boolean {
    if ([200, 201, 204, 302, 304, 404, 409, 412].includes(status)) return true;
    if (status === 400) {
      return json.code === "invalid_cursor" && request.query.some(([name]) => name === "cursor");
    }
    if (status === 403) return json.code === "insufficient_scope";
    // Another fault than that of a body that breaks its schema, and one that is declared.
    return status === 422 && json.code !== "invalid_body" &&
      this.#operation.spec.responses[422].description.includes(`\`${json.code}\``);
  }

  /** What was created is there, what was deleted is gone, what was changed is as it was answered. */
  async #holds(answer: Answer, target: string, key: string) {
    const { method, path } = this.#operation;
    if (path.endsWith("/batch")) {
      const found = (answer.json?.data ?? []).map(({ id }: Json) =>
        this.#api.call(`GET ${path.replace("batch", String(id))}`, { key })
      );
      const rows = (await Promise.all(found)).map(({ json }) => json);
      if (answer.status < 300) assertEquals(rows, answer.json?.data ?? []);
    } else if (method === "DELETE" && answer.status === 204) {
      this.#ids = this.#ids.filter((id) => String(id) !== target.split("/").pop());
      assertEquals((await this.#api.call(`DELETE ${target}`, { key })).status, 404);
      if (!path.startsWith("/api/keys")) {
        assertEquals((await this.#api.call(`GET ${target}`, { key })).status, 404);
      }
    } else if (answer.status === 201 && path.startsWith("/api/keys")) {
      if (answer.json.key === null) return;
      const expired = answer.json.expires_at !== null &&
        Date.parse(answer.json.expires_at) <= Date.now();
      const { status } = await this.#api.call("GET /api/me", { key: answer.json.key });
      assertEquals(status, expired ? 401 : 200);
      if (path.includes("{id}")) this.#ids = [];
    } else if (answer.status === 201 || (method === "PATCH" && answer.status === 200)) {
      const location = answer.headers.get("location") ?? target;
      const found = await this.#api.call(`GET ${location}`, { key });
      assertEquals(found.json, answer.json);
      assertEquals(found.headers.get("etag"), answer.headers.get("etag"));
    }
  }
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

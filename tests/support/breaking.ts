import type { Json } from "./api.ts";

/*
 * What breaks a caller between two of our OpenAPI documents. Written here, for the part of OpenAPI
 * that our documents use, because npm's openapi-diff knows 3.0 only and oasdiff is no npm package.
 *
 * Requests may accept more and answers may tell more, not the other way round. One thing is left to
 * callers: an answer's enum, such as the problems' codes, may get new members.
 */

/** The differences that break a caller of `before` who now meets `after`, a line each. */
export function breakingChanges(before: Json, after: Json): string[] {
  const found: string[] = [];
  for (const [path, operations] of Object.entries<Json>(before.paths)) {
    for (const [method, old] of Object.entries<Json>(operations)) {
      const at = `${method.toUpperCase()} ${path}`;
      const operation = after.paths[path]?.[method];
      if (!operation) {
        found.push(`${at}: is gone`);
        continue;
      }
      if (operation.operationId !== old.operationId) {
        found.push(`${at}: is not called ${old.operationId} any more`);
      }
      found.push(
        ...security(old, operation).map((what) => `${at}: ${what}`),
        ...parameters(old, operation, before, after).map((what) => `${at}: ${what}`),
        ...body(old, operation, before, after).map((what) => `${at}: ${what}`),
        ...responses(old, operation, before, after).map((what) => `${at}: ${what}`),
      );
    }
  }
  return found;
}

function security(old: Json, operation: Json): string[] {
  const needed = JSON.stringify(operation.security ?? []);
  return needed === JSON.stringify(old.security ?? []) ? [] : [`needs another key: ${needed}`];
}

function parameters(old: Json, operation: Json, before: Json, after: Json): string[] {
  const found: string[] = [];
  const same = (a: Json) => (b: Json) => a.in === b.in && a.name === b.name;
  for (const parameter of operation.parameters ?? []) {
    const known = (old.parameters ?? []).find(same(parameter));
    if (parameter.required && !known?.required) found.push(`${parameter.name}: is now required`);
  }
  for (const parameter of old.parameters ?? []) {
    const now = (operation.parameters ?? []).find(same(parameter));
    if (!now) found.push(`${parameter.name}: is no parameter any more`);
    else {
      found.push(
        ...narrower(parameter.schema, now.schema, before, after).map((what) =>
          `${parameter.name}${what}`
        ),
      );
    }
  }
  return found;
}

function body(old: Json, operation: Json, before: Json, after: Json): string[] {
  if (!operation.requestBody) return old.requestBody ? ["takes no body any more"] : [];
  if (!old.requestBody) return operation.requestBody.required ? ["now needs a body"] : [];
  const found: string[] = [];
  if (operation.requestBody.required && !old.requestBody.required) found.push("now needs a body");
  for (const [type, { schema }] of Object.entries<Json>(old.requestBody.content)) {
    const now = operation.requestBody.content[type];
    if (!now) found.push(`takes no ${type} any more`);
    else found.push(...narrower(schema, now.schema, before, after).map((what) => `body${what}`));
  }
  return found;
}

function responses(old: Json, operation: Json, before: Json, after: Json): string[] {
  const found: string[] = [];
  for (const [status, response] of Object.entries<Json>(old.responses)) {
    const now = operation.responses[status];
    if (!now) {
      if (status.startsWith("2")) found.push(`${status}: is not answered any more`);
      continue;
    }
    for (const name of Object.keys(response.headers ?? {})) {
      if (!now.headers?.[name]) found.push(`${status}: has no header ${name} any more`);
    }
    for (const [type, { schema }] of Object.entries<Json>(response.content ?? {})) {
      const content = now.content?.[type];
      if (!content) found.push(`${status}: is no ${type} any more`);
      else {
        // What a caller reads is accepted by the old schema: seen from there it must not be wider.
        found.push(
          ...narrower(content.schema, schema, after, before, true).map((what) =>
            `${status}${what}`
          ),
        );
      }
    }
  }
  return found;
}

const lowerBounds = ["minimum", "minLength", "minItems"];
const upperBounds = ["maximum", "maxLength", "maxItems"];

/**
 * Where `to` does not accept what `from` accepts. `answer`: the two are an answer's new and old
 * schema, of which a caller ignores properties and enum members that it does not know.
 */
function narrower(from: Json, to: Json, inFrom: Json, inTo: Json, answer = false): string[] {
  from = resolve(from, inFrom);
  to = resolve(to, inTo);
  const found: string[] = [];
  const types = (schema: Json): string[] => [schema.type ?? []].flat();
  const lost = types(from).filter((type) => types(to).length > 0 && !types(to).includes(type));
  if (lost.length > 0) found.push(`: ${answer ? "may now be" : "may not be"} ${lost.join(", ")}`);
  if (to.enum && !answer) {
    const gone = from.enum?.filter((member: string) => !to.enum.includes(member)) ?? ["others"];
    if (gone.length > 0) found.push(`: does not take ${gone.join(", ")} any more`);
  }
  if (to.pattern !== undefined && to.pattern !== from.pattern) {
    found.push(": has another pattern");
  }
  if (to.format !== undefined && to.format !== from.format) found.push(": has another format");
  for (const name of lowerBounds) {
    if (to[name] > (from[name] ?? -Infinity)) found.push(`: ${name} is another`);
  }
  for (const name of upperBounds) {
    if (to[name] < (from[name] ?? Infinity)) found.push(`: ${name} is another`);
  }
  if (from.items && to.items) {
    found.push(...narrower(from.items, to.items, inFrom, inTo, answer).map((w) => `/items${w}`));
  }
  for (const name of to.required ?? []) {
    if (!from.required?.includes(name)) {
      found.push(`/${name}: ${answer ? "is not always there any more" : "is now required"}`);
    }
  }
  for (const [name, property] of Object.entries<Json>(from.properties ?? {})) {
    const now = to.properties?.[name];
    if (now) {
      found.push(...narrower(property, now, inFrom, inTo, answer).map((what) => `/${name}${what}`));
    } else if (!answer && to.additionalProperties === false) {
      found.push(`/${name}: is no field any more`);
    }
  }
  return found;
}

function resolve(schema: Json, document: Json): Json {
  return schema?.$ref ? document.components.schemas[schema.$ref.split("/").pop()] : schema ?? {};
}

import type { Field } from "./fields.ts";
import type { Names } from "./names.ts";
import type { Meaning } from "./problems.ts";
import type { Table } from "./table.ts";

/**
 * tests/api/<table>_test.ts: what is this resource's own. What every resource promises (keys, other
 * users' rows, statements, the document) is tested by tests that find it by themselves.
 */
export function testFile(
  table: Table,
  names: Names,
  fields: Field[],
  meanings: Meaning[],
): string {
  const path = `/api/${names.table}`;
  const parents = table.columns.filter(({ references, nullable }) => references && !nullable);
  const made = [...new Set(parents.map(({ references }) => references!))].map((parent) => {
    const { name } = parents.find(({ references }) => references === parent)!;
    return `  const ${sampleName(fields, name)} = await createSample(api, "${parent}");`;
  });
  // What may be left out may also be bound by a rule over two fields.
  const body = fields.filter(({ fallback }) => fallback === undefined).map(({ name, samples }) =>
    name === samples[0] ? name : `${name}: ${samples[0]}`
  );
  const given = (lines: string[]) => lines.length > 0 ? `${lines.join("\n")}\n` : "";
  const missing = meanings.filter(({ code }) => code.endsWith("_not_found"));
  return `import { assertEquals } from "@std/assert";
import { createApi } from "../support/api.ts";
${parents.length > 0 ? 'import { createSample } from "../support/samples.ts";\n' : ""}
Deno.test("${names.manyWords}: created, listed${
    table.changes ? ", changed" : ""
  } and deleted", async () => {
  await using api = await createApi();
${given(made)}  const body = { ${body.join(", ")} };
  const created = await api.call("POST ${path}", { body });
  assertEquals([created.status, created.headers.get("location")], [201, "${path}/1"]);
  assertEquals(created.json, { ...created.json, ...body });
  assertEquals((await api.call("GET ${path}")).json.data, [created.json]);
${
    table.changes
      ? changed(path, table, fields)
      : ""
  }  assertEquals((await api.call("DELETE ${path}/1")).status, 204);
  assertEquals((await api.call("GET ${path}/1")).status, 404);
});
${missing.map((meaning) => stranger(path, names, made, body, meaning)).join("")}`;
}

/** A change of the first field that has two values and no rule with another field. */
function changed(path: string, { constraints }: Table, fields: Field[]): string {
  const bound = constraints.filter(({ columns }) => columns.length > 1)
    .flatMap(({ columns }) => columns);
  const field = fields.find(({ name, samples: [first, second] }) =>
    first !== second && !bound.includes(name)
  );
  if (!field) return "";
  return `  const change = { ${field.name}: ${field.samples[1]} };
  const changed = await api.call("PATCH ${path}/1", { body: change });
  assertEquals(changed.json, { ...created.json, ...change, updated_at: changed.json.updated_at, version: 2 });
`;
}

function stranger(
  path: string,
  { manyWords }: Names,
  made: string[],
  body: string[],
  { code, status, field }: Meaning,
): string {
  return `
Deno.test("${manyWords}: one of a stranger in ${field} is ${status} ${code}", async () => {
  await using api = await createApi();
${made.length > 0 ? `${made.join("\n")}\n` : ""}  const body = { ${body.join(", ")} };
  const answer = await api.call("POST ${path}", { body: { ...body, ${field}: 999 } });
  assertEquals([answer.status, answer.json.code], [${status}, "${code}"]);
});
`;
}

function sampleName(fields: Field[], name: string): string {
  return fields.find((field) => field.name === name)!.samples[0];
}

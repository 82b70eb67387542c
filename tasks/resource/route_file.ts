import type { Field } from "./fields.ts";
import { article, type Names, namesOf } from "./names.ts";
import type { Meaning } from "./problems.ts";
import type { Table } from "./table.ts";

/** routes/<table>.ts: one handler a route, as routes/students.ts has them. */
export function routeFile(
  table: Table,
  names: Names,
  fields: Field[],
  meanings: Meaning[],
): string {
  const { one, One, Many, words, manyWords } = names;
  const path = `/api/${names.table}`;
  const filter = table.filtered.length > 0;
  const problems = meanings.length > 0
    ? `, { problems: [${[...new Set(meanings.map(({ code }) => `"${code}"`))].join(", ")}] }`
    : "";
  const zod = fields.some(({ schema }) => schema.includes("z."));
  const shared = new Set([
    ...fields.flatMap((field) => field.imports),
    "schemas",
    ...filter ? ["idParameter"] : [],
  ]);
  const differences = [
    entries("defaults", fields.map(({ name, fallback }) => [name, fallback])),
    entries("answered", fields.map(({ name, answered }) => [name, answered])),
  ].filter((text) => text !== "");
  const filters = table.filtered.map((name) => {
    const references = table.columns.find((column) => column.name === name)!.references!;
    const description = `Only this ${namesOf(references).words}'s.`;
    return `${name}: idParameter.optional().openapi({ description: "${description}" }),`;
  });
  const queries = [
    `create${One}`,
    `delete${One}`,
    `get${One}`,
    `list${Many}`,
    `${one}Sorts`,
    ...table.changes ? [`update${One}`] : [],
  ];
  const replies = [
    ...table.changes ? ["changedReply"] : [],
    "createdReply",
    "deletedReply",
    "idempotency",
    "itemReply",
    "precondition",
  ];
  return `${zod ? 'import { z } from "@hono/zod-openapi";\n' : ""}import { ${
    queries.join(", ")
  } } from "../db/${names.table}.ts";
import { ${
    table.changes ? "changing, " : ""
  }creation, deletion, listing, reading } from "./_crud.ts";
import { ${[...shared].sort().join(", ")} } from "./_fields.ts";
import { chooseDatabase, type Deps, router } from "./_operation.ts";
import { pageQuery, pageReply, pageRequest } from "./_page.ts";
import { ${replies.join(", ")} } from "./_reply.ts";

const fields = {
${fields.map(({ name, schema }) => `  ${name}: ${schema},`).join("\n")}
};

const ${one} = schemas("${One}", fields${
    differences.length > 0 ? `, { ${differences.join(", ")} }` : ""
  });

export function ${one}Routes(deps: Deps) {
  const { db } = deps;
  return router("${Many}")
    .openapi({
      ...listing(deps, {
        query: ${
    filter ? `{ ...pageQuery(${one}Sorts), ${filters.join("\n")} }` : `pageQuery(${one}Sorts)`
  },
        page: ${one}.page,
      }),
      path: "${path}",
      operationId: "list${Many}",
      summary: "List ${manyWords}",
    }, async (c) => {
      const { request, ${
    filter ? "filter, " : ""
  }list } = pageRequest(c.req.path, c.req.valid("query"), ${one}Sorts);
      const from = chooseDatabase(c, deps);
      return pageReply(c, await list${Many}(from, c.get("credential"), request${
    filter ? ", filter" : ""
  }), list);
    })
    .openapi({
      ...creation(deps, { body: ${one}.new, row: ${one}.row }${problems}),
      path: "${path}",
      operationId: "create${One}",
      summary: "Create ${article(words)}",
    }, async (c) => {
      const once = idempotency(c, "create${One}");
      const rows = await create${One}(db, c.get("credential"), c.req.valid("json"), once);
      return createdReply(c, rows, "${path}");
    })
    .openapi({
      ...reading(deps, { row: ${one}.row }),
      path: "${path}/{id}",
      operationId: "get${One}",
      summary: "Get ${article(words)}",
    }, async (c) => {
      const { id } = c.req.valid("param");
      return itemReply(c, await get${One}(chooseDatabase(c, deps), c.get("credential"), id));
    })
${table.changes ? change(names, problems) : ""}    .openapi({
      ...deletion(deps),
      path: "${path}/{id}",
      operationId: "delete${One}",
      summary: "Delete ${article(words)}",
    }, async (c) => {
      const { id } = c.req.valid("param");
      return deletedReply(c, await delete${One}(db, c.get("credential"), id, precondition(c)));
    });
}
`;
}

function change({ one, One, words, table }: Names, problems: string): string {
  return `    .openapi({
      ...changing(deps, { body: ${one}.change, row: ${one}.row }${problems}),
      path: "/api/${table}/{id}",
      operationId: "update${One}",
      summary: "Change ${article(words)}",
    }, async (c) => {
      const { id } = c.req.valid("param");
      const change = c.req.valid("json");
      const rows = await update${One}(db, c.get("credential"), id, change, precondition(c));
      return changedReply(c, rows);
    })
`;
}

/** `defaults: { age: null }`, of those that have one. */
function entries(name: string, all: [string, string | undefined][]): string {
  const some = all.filter(([, value]) => value !== undefined);
  if (some.length === 0) return "";
  return `${name}: { ${some.map(([field, value]) => `${field}: ${value}`).join(", ")} }`;
}

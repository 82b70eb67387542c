import type { Field } from "./fields.ts";
import { wrapped } from "./lines.ts";
import { type Lock, lockOf } from "./lock.ts";
import { article, type Names } from "./names.ts";
import { cursorTypes, type Table } from "./table.ts";

/** db/<table>.ts: one complete statement an operation, as db/students.ts has them. */
export function queryFile(table: Table, names: Names, fields: Field[]): string {
  const { one, One, Many, words } = names;
  const t = names.table;
  const listed = ["t.id", ...fields.map(({ shown }) => shown), "${timestamps}", "t.version"];
  const utc = fields.some((field) => field.answered);
  const given = [
    "${credential.ownerId}::bigint",
    ...fields.map(({ name, cast }) => `\${${one}.${name}}${cast}`),
  ];
  const filter = table.filtered.length > 0;
  const lock = lockOf(table, names);
  const types = new Map(table.columns.map((column) => [column.name, cursorTypes[column.type]]));
  const sorts = table.sorted.map((name) =>
    `${name}: by("${types.get(name) ?? "timestamptz"}", sql\`t.${name}\`)`
  );
  const conditions = table.filtered.map((name) =>
    `\n        \${when(!!filter.${name}, sql\`and t.${name} = \${filter.${name}}\`)}`
  ).join("");
  const imports = (name: string, wanted: boolean) => wanted ? [name] : [];
  return `import { allowed, caller, type Credential } from "./_caller.ts";
import { type Created, type Idempotency, once } from "./_idempotency.ts";
import { ${
    ["by", "byId", "mostRows", "type Page", "page", "type PageRequest"]
      .filter((name) => name !== "by" || sorts.length > 0).join(", ")
  } } from "./_page.ts";
import {
  ${
    [
      "type Changed",
      "type Found",
      "json",
      "matches",
      "timestamps",
      ...imports("utc", utc),
      "type Versions",
      ...imports("when", filter),
      "written",
    ].join(",\n  ")
  },
} from "./_row.ts";
import { type Database, sql } from "../postgres/mod.ts";

export interface ${One}Fields {
${fields.map(({ name, type }) => `  ${name}: ${type};`).join("\n")}
}

/** What ${article(words)} shows, of \`${t} t\`. */
export const ${one}Columns = sql\`${wrapped(listed, "        ")}\`;

/** The ways to sort a list of ${names.manyWords}, the default first. */
export const ${one}Sorts = { ${["id: byId", ...sorts].join(", ")} };
${
    filter
      ? `
export interface ${One}Filter {
${table.filtered.map((name) => `  ${name}?: string;`).join("\n")}
}
`
      : ""
  }
export function list${Many}(
  db: Database,
  credential: Credential,
  request: PageRequest<keyof typeof ${one}Sorts>,
${filter ? `  filter: ${One}Filter,\n` : ""}): Promise<Page[]> {
  const order = ${one}Sorts[request.sort].order(request);
  return db.read(sql\`
    with \${caller(credential, "read")},
    rows as (
      select \${json(${one}Columns)} as body, t.id, \${order.value} as sort_value
      from ${t} t
      where t.owner_id = \${credential.ownerId} and \${allowed}${conditions}
        and \${order.after}
      order by \${order.by}
      \${mostRows}
    ),
    \${page(request.limit)}
    select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
    from caller, page\`);
}

export function get${One}(db: Database, credential: Credential, id: string): Promise<Found[]> {
  return db.read(sql\`
    with \${caller(credential, "read")},
    found as (
      select \${json(${one}Columns)} as body, t.version
      from ${t} t
      where t.owner_id = \${credential.ownerId} and \${allowed} and t.id = \${id}
    )
    select caller.id as caller_id, caller.allowed, found.body, found.version
    from caller left join found on true\`);
}

export function create${One}(
  db: Database,
  credential: Credential,
  ${one}: ${One}Fields,
  idempotency?: Idempotency,
): Promise<Created[]> {
  return once(db, credential, idempotency, ({ remembered, isNew, answer }) =>
    sql\`
    with \${caller(credential, "write")},
    \${remembered},${lock.ofNew}
    created as (
      insert into ${t} as t (owner_id, ${wrapped(fields.map(({ name }) => name), "        ")})
      select
        ${wrapped(given, "        ")}
      from caller
      where caller.allowed and \${isNew}${lock.after}
      returning t.id, \${json(${one}Columns)} as body, t.version
    )
    \${answer}\`);
}
${table.changes ? update(names, fields, lock) : ""}
export function delete${One}(
  db: Database,
  credential: Credential,
  id: string,
  versions?: Versions,
): Promise<Changed[]> {
  const { ownerId } = credential;
  return db.query(sql\`
    with \${caller(credential, "write")},
    deleted as (
      delete from ${t} t
      where t.owner_id = \${ownerId} and \${allowed} and t.id = \${id} and \${matches(versions)}
      returning t.version
    )
    select
      caller.id as caller_id, caller.allowed,
      deleted.version is not null or exists (
        select from ${t} t where t.owner_id = \${ownerId} and \${allowed} and t.id = \${id}
      ) as present,
      null as body, deleted.version, \${written}
    from caller left join deleted on true\`);
}
`;
}

function update({ one, One, table }: Names, fields: Field[], lock: Lock): string {
  const set = wrapped(fields.map(({ name }) => `${name} = \${${name}}`), "        ");
  return `
/** What is left out of \`change\` stays as it is. */
export function update${One}(
  db: Database,
  credential: Credential,
  id: string,
  change: Partial<${One}Fields>,
  versions?: Versions,
): Promise<Changed[]> {
  const { ownerId } = credential;
  const {
${fields.map(({ name }) => `    ${name} = sql\`t.${name}\`,`).join("\n")}
  } = change;
  return db.query(sql\`
    with \${caller(credential, "write")},${lock.ofChanged}
    changed as (
      update ${table} t
      set
        ${set}
      where t.owner_id = \${ownerId} and \${allowed} and t.id = \${id} and \${matches(versions)}${lock.after}
      returning t.*
    ),
    shown as (
      select \${json(${one}Columns)} as body, t.version from changed t
    )
    select
      caller.id as caller_id, caller.allowed,
      shown.version is not null or exists (
        select from ${table} t where t.owner_id = \${ownerId} and \${allowed} and t.id = \${id}
      ) as present,
      shown.body, shown.version, \${written}
    from caller left join shown on true\`);
}
`;
}

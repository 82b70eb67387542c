import type { DatabaseError } from "../../postgres/mod.ts";
import type { CatalogObject } from "../catalog/definitions.ts";

/**
 * What PostgreSQL says that keeps `statement` from running, as far as it can be taken away and made
 * again without losing a value: views, triggers, policies, rules, foreign keys, indexes, generated
 * columns, a column's collation.
 */
export function inTheWay(
  statement: string,
  { code, fields }: DatabaseError,
  objects: CatalogObject[],
): CatalogObject[] {
  if (code !== "2BP01" && code !== "0A000") return [];
  const [, table = ""] =
    /^ALTER TABLE (?:ONLY )?((?:"(?:[^"]|"")*"|\w+)(?:\.(?:"(?:[^"]|"")*"|\w+))?) /i
      .exec(statement) ?? [];
  return String(fields.detail ?? "").split("\n").flatMap((line) => {
    const { kinds, name } = dependent(line, table.replace(/"([a-z_][a-z0-9_]*)"/g, "$1")) ??
      {};
    return objects.filter((o) =>
      kinds?.includes(o.kind) && (o.name === name || o.name === `public.${name}`)
    );
  });
}

/** One line of PostgreSQL's list, as the kind and the name of a definition. */
function dependent(
  line: string,
  table: string,
): { kinds: string[]; name: string } | undefined {
  const [, generated] = /^Column ".*" is used by generated column "(.*)"\.$/.exec(line) ?? [];
  if (generated) return { kinds: ["column"], name: `${table}.${generated}` };
  const [, collated, relation] =
    /^column (\S.*?) of table (\S.*?) depends on collation /.exec(line) ?? [];
  if (collated) return { kinds: ["column"], name: `${relation}.${collated}` };
  // What a function is called for: a generated column and a default.
  const [, computed, of] =
    /^(?:default value for )?column (\S.*?) of table (\S.*?) depends on function /.exec(line) ?? [];
  if (computed) return { kinds: ["column"], name: `${of}.${computed}` };
  const [, statistics] = /^statistics object (\S.*?) depends on /.exec(line) ?? [];
  if (statistics) return { kinds: ["statistics"], name: statistics };
  const [, index] = /^index (\S.*?) depends on /.exec(line) ?? [];
  if (index) return { kinds: ["index"], name: index };
  const [, view] =
    /^(?:rule "?_RETURN"? on )?(?:materialized )?view (\S.*?) depends on /.exec(line) ?? [];
  if (view) return { kinds: ["view", "materialized view"], name: view };
  const [, kind, own, on] =
    /^(trigger|policy|rule|constraint) (\S.*?) on (?:table|view|materialized view) (\S.*?) depends on /
      .exec(line) ?? [];
  return kind ? { kinds: [kind], name: `${on}.${own}` } : undefined;
}

/** The statement that takes an object away, of the kinds that inTheWay finds. */
export function takenAway({ kind, name, of, ddl }: CatalogObject): string {
  const own = name.slice(of === null ? 0 : of.length + 1);
  switch (kind) {
    case "column": {
      if (/ generated always as \(/.test(ddl)) return `alter table ${of} drop column ${own}`;
      const [, type] = /^(.*?) collate /.exec(ddl) ?? [];
      return type
        ? `alter table ${of} alter column ${own} type ${type}`
        : `alter table ${of} alter column ${own} drop default`;
    }
    case "constraint":
      return `alter table ${of} drop constraint ${own}`;
    case "trigger":
    case "policy":
    case "rule":
      return `drop ${kind} ${own} on ${of}`;
    default:
      return `drop ${kind} ${name}`;
  }
}

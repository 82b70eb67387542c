import type { DatabaseError } from "../../postgres/mod.ts";
import type { CatalogObject } from "../catalog/definitions.ts";
import { quoteName } from "../databases.ts";
import { bare, sqlPattern } from "../files/sql_text.ts";

/**
 * What PostgreSQL says that keeps `statement` from running, as far as it can be taken away and made
 * again without losing a value: functions, views, triggers, policies, rules, foreign keys, indexes,
 * generated columns, a column's collation.
 */
export function inTheWay(
  statement: string,
  { code, fields }: DatabaseError,
  objects: CatalogObject[],
): CatalogObject[] {
  if (code !== "2BP01" && code !== "0A000") return [];
  const [, table = ""] = sqlPattern("^ALTER TABLE (?:ONLY )?(<path>) ", "i").exec(statement) ?? [];
  return String(fields.detail ?? "").split("\n").flatMap((line) => {
    const { kinds, name } = dependent(line, bare(table)) ?? {};
    return objects.filter((o) =>
      kinds?.includes(o.kind) && [name, `public.${name}`].includes(bare(o.name))
    );
  });
}

/** A name that PostgreSQL says as it is: it quotes those of relations alone. */
const said = (name = "") => bare(quoteName(name));

/** One line of PostgreSQL's list, as the kind and the name of a definition, with few quotes. */
function dependent(
  line: string,
  table: string,
): { kinds: string[]; name: string } | undefined {
  const [, generated] = /^Column ".*" is used by generated column "(.*)"\.$/.exec(line) ?? [];
  if (generated) return { kinds: ["column"], name: `${table}.${said(generated)}` };
  const [, collated, relation] = /^column (.+?) of table (.+?) depends on collation /.exec(line) ??
    [];
  if (collated) return { kinds: ["column"], name: `${bare(relation!)}.${said(collated)}` };
  // What is computed: a generated column and a default.
  const [, computed, of] =
    /^(?:default value for )?column (.+?) of table (.+?) depends on (?:function|operator|text search configuration) /
      .exec(line) ?? [];
  if (computed) return { kinds: ["column"], name: `${bare(of!)}.${said(computed)}` };
  const [, routine, signature] = /^(function|procedure) (.+?\)) depends on /.exec(line) ?? [];
  if (routine) return { kinds: [routine], name: bare(signature!) };
  const [, statistics] = /^statistics object (.+?) depends on /.exec(line) ?? [];
  if (statistics) return { kinds: ["statistics"], name: bare(statistics) };
  const [, index] = /^index (.+?) depends on /.exec(line) ?? [];
  if (index) return { kinds: ["index"], name: bare(index) };
  const [, view] =
    /^(?:rule "?_RETURN"? on )?(?:materialized )?view (.+?) depends on /.exec(line) ?? [];
  if (view) return { kinds: ["view", "materialized view"], name: bare(view) };
  const [, kind, own, on] =
    /^(trigger|policy|rule|constraint) (.+?) on (?:table|view|materialized view) (.+?) depends on /
      .exec(line) ?? [];
  return kind ? { kinds: [kind], name: `${bare(on!)}.${said(own)}` } : undefined;
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

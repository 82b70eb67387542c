import { sql, type Statement } from "../../postgres/mod.ts";

/**
 * The options in a `text[]` of the catalog, such as pg_class.reloptions, as one text; null without
 * any. What a server keeps for itself is left out, as the `pg_attver` that PostgreSQL 15.20 gives to
 * every column: its name begins with `pg_`. So is what the CTE `ignored` names.
 */
export function statedOptions(options: Statement): Statement {
  return sql`(
    select string_agg(option, ', ' order by place) from unnest(${options}) with ordinality o (option, place)
    where option !~ '^pg_' and split_part(option, '=', 1) not in (select name from ignored))`;
}

/** The same for what PostgreSQL writes with the options in it: an index, or a constraint's. */
export function withStatedOptions(definition: string, ignored: readonly string[] = []): string {
  // An expression has spaces around its `=`, and a text doubles its quotes: neither is a list.
  return definition.replace(/ (?:WITH )?\((?:(?:, )?\w+=(?:'[^']+'|\w+))+\)/g, (list) => {
    const stated = list.match(/\w+=(?:'[^']+'|\w+)/g)!
      .filter((option) => !/^pg_\w+='/.test(option) && !ignored.includes(option.split("=")[0]!));
    return stated.length > 0 ? list.replace(/\(.*/s, `(${stated.join(", ")})`) : "";
  });
}

/** What PostgreSQL writes of a function, without these of its settings, each of which is a line. */
export function withoutSettings(definition: string, ignored: readonly string[]): string {
  const [head] = definition.split(/^(?=AS |BEGIN ATOMIC|RETURN )/m, 1);
  const kept = head!.split("\n").filter((line) =>
    !ignored.includes(/^ SET (\S+) TO /.exec(line)?.[1] ?? "")
  );
  return kept.join("\n") + definition.slice(head!.length);
}

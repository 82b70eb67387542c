import { article, type Names, namesOf } from "./names.ts";
import type { Constraint } from "./table.ts";

/** What a broken constraint means to a caller: a row of routes/_problem.ts' two tables. */
export interface Meaning {
  constraint: string;
  code: string;
  status: 409 | 422;
  title: string;
  /** The field that the problem points at, and what is wrong with it. */
  field: string;
  detail: string;
}

/** A first wording, which a person improves. Codes are permanent once they are released. */
export function meaningOf({ name, kind, columns, references }: Constraint, names: Names): Meaning {
  const { words, table } = names;
  const noun = words.replaceAll(" ", "_");
  const field = columns.at(-1)!;
  // bookings_period_check: the rule is called period.
  const rule = name.replace(`${table}_`, "").replace(/_(check|excl|key)$/, "");
  switch (kind) {
    case "reference": {
      const other = namesOf(references!).words;
      return {
        constraint: name,
        code: `${other.replaceAll(" ", "_")}_not_found`,
        status: 422,
        title: `There is no such ${other}`,
        field: columns[0]!,
        detail: `is not ${article(other)} of yours`,
      };
    }
    case "unique":
      return {
        constraint: name,
        code: `${noun}_exists`,
        status: 409,
        title: `There is such ${article(words)} already`,
        field,
        detail: `is taken by another ${words}`,
      };
    case "exclusion":
      return {
        constraint: name,
        code: `${noun}_conflict`,
        status: 409,
        title: `Another ${words} stands in the way`,
        field,
        detail: `conflicts with another ${words}`,
      };
    case "check":
      return {
        constraint: name,
        code: `invalid_${noun}_${rule}`,
        status: 422,
        title: `The ${words} breaks the rule of its ${rule.replaceAll("_", " ")}`,
        field,
        detail: columns.length > 1
          ? `does not fit ${columns.slice(0, -1).join(", ")}`
          : "is not allowed",
      };
  }
}

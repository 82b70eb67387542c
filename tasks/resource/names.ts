import { ResourceError } from "./table.ts";

/** What the files of a resource call it. */
export interface Names {
  /** The table: course_dates. */
  table: string;
  /** One row: courseDate, CourseDate, and in words: course date. */
  one: string;
  One: string;
  words: string;
  /** Many: courseDates, CourseDates, course dates. */
  many: string;
  Many: string;
  manyWords: string;
}

/** Names from the table's, whose plural is English; `noun` is one row where it is not: person. */
export function namesOf(table: string, noun = singular(table)): Names {
  if (!/^[a-z][a-z0-9_]*$/.test(table) || !/^[a-z][a-z0-9_]*$/.test(noun)) {
    throw new ResourceError(`"${table}" and "${noun}": names are small letters and underscores`);
  }
  if (noun === table) {
    throw new ResourceError(`what is one of ${table}? Say --noun, such as --noun person`);
  }
  const [one, many] = [camel(noun), camel(table)];
  return {
    table,
    one,
    One: upper(one),
    words: noun.replaceAll("_", " "),
    many,
    Many: upper(many),
    manyWords: table.replaceAll("_", " "),
  };
}

/** courses: course; companies: company; branches: branch. What does not end so comes back as it is. */
function singular(plural: string): string {
  if (/ies$/.test(plural)) return plural.replace(/ies$/, "y");
  if (/(ss|[^o]us|x|z|ch|sh)es$/.test(plural)) return plural.replace(/es$/, "");
  return plural.replace(/(?<!s)s$/, "");
}

function camel(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function upper(name: string): string {
  return name[0]!.toUpperCase() + name.slice(1);
}

/** `a course`, `an enrolment`. */
export function article(words: string): string {
  return `${/^[aeiou]/.test(words) ? "an" : "a"} ${words}`;
}

import type { Key } from "./_caller.ts";
import type { Filtered } from "./_shapes.ts";
import type { PageRequest } from "./_sort.ts";
import { by, byId, owned, stamps, table, utc } from "./_table.ts";
import { type Database, sql, type Statement } from "../postgres/mod.ts";

export interface TodoFields {
  description: string;
  completed: boolean;
  /** RFC 3339. */
  due_date: string | null;
  student_id: number | null;
}

export interface TodoFilter {
  completed?: boolean;
  due_before?: string;
  due_after?: string;
  /** Only todos without a date. */
  due?: "none";
  student_id?: string;
  updated_since?: string;
  /** Words to search the descriptions for, as a person types them. */
  q?: string;
}

/** No date is a date after all others in either direction; each direction has its own index. */
const undated = (descending: boolean) => descending ? sql`'-infinity'` : sql`'infinity'`;
const due = (descending: boolean) => sql`coalesce(t.due_date, ${undated(descending)})`;

export const todos = table({
  from: sql`todos t`,
  columns: sql`
    t.id, t.description, t.completed, ${utc(sql`t.due_date`)} as due_date, t.student_id, ${stamps}`,
  visible: owned,
  sorts: {
    id: byId,
    due_date: by("timestamptz", due),
    updated_at: by("timestamptz", sql`t.updated_at`),
  },
  filter: conditions,
  insert: (todo: TodoFields) =>
    sql`
    insert into todos as t (owner_id, description, completed, due_date, student_id)
    select
      caller.id, ${todo.description}, ${todo.completed}::boolean,
      ${todo.due_date}::timestamptz, ${todo.student_id}::bigint
    from caller`,
  set: {
    description: (value) => sql`description = ${value}`,
    completed: (value) => sql`completed = ${value}`,
    due_date: (value) => sql`due_date = ${value}`,
    student_id: (value) => sql`student_id = ${value}`,
  },
});

/** The todos of one student, who must be the caller's. */
export function listStudentTodos(
  db: Database,
  key: Key,
  studentId: string,
  request: PageRequest<keyof typeof todos.sorts>,
  filter: TodoFilter,
) {
  const present = sql`exists (select from students t where t.id = ${studentId} and ${owned})`;
  return todos.list(db, key, request, { ...filter, student_id: studentId }, present);
}

/** Each combination of filters is its own statement with its own plan, and so its own index. */
function conditions(filter: TodoFilter, descending: boolean): Filtered {
  const { completed, due_before, due_after, student_id, updated_since, q } = filter;
  const where: Statement[] = [];
  const dated = sql`t.due_date is not null`;
  // Spelled so that the partial index of open todos applies.
  if (completed !== undefined) where.push(completed ? sql`t.completed` : sql`not t.completed`);
  // Spelled as the index of this direction has it.
  if (due_before) where.push(sql`${due(descending)} < ${due_before}`, dated);
  if (due_after) where.push(sql`${due(descending)} > ${due_after}`, dated);
  if (filter.due === "none") {
    where.push(sql`${due(descending)} = ${undated(descending)}`, sql`t.due_date is null`);
  }
  if (student_id) where.push(sql`t.student_id = ${student_id}`);
  if (updated_since) where.push(sql`t.updated_at >= ${updated_since}`);
  return {
    where,
    from: q === undefined ? undefined : searched(q),
    // Whether to read in order or to gather the few that match and sort them, the values decide.
    planned: (due_before ?? due_after ?? updated_since ?? q) !== undefined,
  };
}

/**
 * The caller's todos with these words, found before they are put in order (`offset 0`): PostgreSQL
 * cannot know how rare a word is, and would rather read all todos in the page's order, where a
 * search for a word that nobody wrote costs the most. It costs what it finds.
 */
function searched(words: string): Statement {
  return sql`(
      select t.*
      from todos t
      where ${owned}
        and to_tsvector('simple', t.description) @@ websearch_to_tsquery('simple', ${words})
      offset 0
    ) t`;
}

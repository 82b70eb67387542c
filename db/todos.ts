import { type Key, owned } from "./_caller.ts";
import { createRow, fresh, type Idempotency } from "./_create.ts";
import {
  assignments,
  deleteRow,
  getPage,
  getRow,
  join,
  pageSized,
  shown,
  updateRow,
  utc,
  type Versions,
} from "./_shapes.ts";
import { byExpression, byId, type PageRequest } from "./_sort.ts";
import { type Database, sql, type Statement } from "./mod.ts";

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

export const todoSorts = ["id", "due_date", "updated_at"] as const;

export type TodoPageRequest = PageRequest<typeof todoSorts[number]>;

/** What a todo shows, of table `t`. */
export const todoColumns = sql`
  t.id,
  t.description,
  t.completed,
  ${utc(sql`t.due_date`)} as due_date,
  t.student_id,
  ${utc(sql`t.created_at`)} as created_at,
  ${utc(sql`t.updated_at`)} as updated_at,
  t.version`;

const rows = { from: sql`todos t`, shown: shown(todoColumns), visible: owned };

export function getTodo(db: Database, key: Key, id: string) {
  return getRow(db, key, rows, id);
}

export function listTodos(db: Database, key: Key, request: TodoPageRequest, filter: TodoFilter) {
  return getPage(db, key, "read", request.limit, todoRows(request, filter));
}

/** The todos of one student, who must be the caller's: `present` says so. */
export function listStudentTodos(
  db: Database,
  key: Key,
  studentId: string,
  request: TodoPageRequest,
  filter: TodoFilter,
) {
  const todos = todoRows(request, { ...filter, student_id: studentId });
  const present = sql`exists (select from students t where t.id = ${studentId} and ${owned})`;
  return getPage(db, key, "read", request.limit, todos, present);
}

export function createTodo(db: Database, key: Key, fields: TodoFields, idempotency?: Idempotency) {
  return createRow(
    db,
    { key, scope: "write", operation: "createTodo", idempotency },
    sql`
      insert into todos as t (owner_id, description, completed, due_date, student_id)
      select
        caller.id, ${fields.description}, ${fields.completed}::boolean,
        ${fields.due_date}::timestamptz, ${fields.student_id}::bigint
      from caller
      where ${fresh}
      returning t.id, ${rows.shown}`,
  );
}

export function updateTodo(
  db: Database,
  key: Key,
  id: string,
  fields: Partial<TodoFields>,
  versions?: Versions,
) {
  const set = assignments<Partial<TodoFields>>(fields, {
    description: (value) => sql`description = ${value}`,
    completed: (value) => sql`completed = ${value}`,
    due_date: (value) => sql`due_date = ${value}`,
    student_id: (value) => sql`student_id = ${value}`,
  });
  return updateRow(db, key, rows, id, set, versions);
}

export function deleteTodo(db: Database, key: Key, id: string, versions?: Versions) {
  return deleteRow(db, key, rows, id, versions);
}

const dated = sql`t.due_date is not null`;

/** Each combination of filters is its own statement with its own plan, and so its own index. */
function todoRows(
  { sort, descending, after }: TodoPageRequest,
  filter: TodoFilter,
): Statement {
  // The filters by date are spelled as the index of this direction has it, where null is a date.
  const none = descending ? sql`'-infinity'` : sql`'infinity'`;
  const due = sql`coalesce(t.due_date, ${none})`;
  const order = {
    id: () => byId(descending, after),
    due_date: () => byExpression(due, sql`timestamptz`, descending, after),
    updated_at: () => byExpression(sql`t.updated_at`, sql`timestamptz`, descending, after),
  }[sort]();
  const conditions = [owned, order.after];
  // Spelled so that the partial index of open todos applies.
  if (filter.completed !== undefined) {
    conditions.push(filter.completed ? sql`t.completed` : sql`not t.completed`);
  }
  if (filter.due_before) conditions.push(sql`${due} < ${filter.due_before}`, dated);
  if (filter.due_after) conditions.push(sql`${due} > ${filter.due_after}`, dated);
  if (filter.due === "none") conditions.push(sql`${due} = ${none}`, sql`t.due_date is null`);
  if (filter.student_id) conditions.push(sql`t.student_id = ${filter.student_id}`);
  if (filter.updated_since) conditions.push(sql`t.updated_at >= ${filter.updated_since}`);
  // Whether to read in order or to gather the few that match and sort them, the values decide.
  const { due_before, due_after, updated_since, q } = filter;
  const planned = due_before ?? due_after ?? updated_since ?? q;
  return sql`
    select ${rows.shown}, t.id as last_id, ${order.value} as last_value
    from ${q === undefined ? sql`todos t` : searched(q)}
    where ${join(conditions, sql` and `)}
    order by ${order.by}
    ${planned === undefined ? pageSized : sql``}`;
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

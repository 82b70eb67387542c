import { type Key, owned } from "./_caller.ts";
import { createRow, fresh, type Idempotency } from "./_create.ts";
import {
  assignments,
  deleteRow,
  getPage,
  getRow,
  join,
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

/** Each combination of filters is its own statement with its own plan, and so its own index. */
function todoRows(
  { sort, descending, after }: TodoPageRequest,
  filter: TodoFilter,
): Statement {
  const due = descending
    ? sql`coalesce(t.due_date, '-infinity')`
    : sql`coalesce(t.due_date, 'infinity')`;
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
  if (filter.due_before) conditions.push(sql`t.due_date < ${filter.due_before}`);
  if (filter.due_after) conditions.push(sql`t.due_date > ${filter.due_after}`);
  if (filter.due === "none") conditions.push(sql`t.due_date is null`);
  if (filter.student_id) conditions.push(sql`t.student_id = ${filter.student_id}`);
  if (filter.updated_since) conditions.push(sql`t.updated_at >= ${filter.updated_since}`);
  if (filter.q !== undefined) {
    conditions.push(sql`
      to_tsvector('simple', t.description) @@ websearch_to_tsquery('simple', ${filter.q})`);
  }
  return sql`
    select ${rows.shown}, t.id as last_id, ${order.value} as last_value
    from todos t
    where ${join(conditions, sql` and `)}
    order by ${order.by}`;
}

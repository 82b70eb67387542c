import { allowed, caller, type Credential } from "./_caller.ts";
import { type Created, type Idempotency, once } from "./_idempotency.ts";
import { by, byId, mostRows, type Page, page, type PageRequest } from "./_page.ts";
import {
  type Changed,
  type Found,
  json,
  matches,
  timestamps,
  utc,
  type Versions,
  when,
  written,
} from "./_row.ts";
import { type Database, sql, type Statement } from "../postgres/mod.ts";

export interface TodoFields {
  description: string;
  completed: boolean;
  /** RFC 3339. */
  due_date: string | null;
  student_id: number | null;
}

/** What a todo shows, of `todos t`, and these times. */
export const todoWith = (times: Statement) =>
  sql`t.id, t.description, t.completed,
        ${utc(sql`t.due_date`)} as due_date, t.student_id,
        ${times}, t.version`;

export const todoColumns = todoWith(timestamps);

/** Those without a date come last in either direction, so each direction has an index of its own. */
const undated = (descending: boolean) => descending ? sql`'-infinity'` : sql`'infinity'`;
const due = (descending: boolean) => sql`coalesce(t.due_date, ${undated(descending)})`;

/** The ways to sort a list of todos, the default first. */
export const todoSorts = {
  id: byId,
  due_date: by("timestamptz", due),
  updated_at: by("timestamptz", sql`t.updated_at`),
};

export type TodoPage = PageRequest<keyof typeof todoSorts>;

export interface TodoFilter {
  completed?: boolean;
  due_before?: string;
  due_after?: string;
  /** Only todos without a date. */
  due?: "none";
  student_id?: string;
  updated_since?: string;
  /** Each row shows its student as well. */
  include?: "student";
  /** Words to search the descriptions for, as a person types them; an empty one is no filter. */
  q?: string;
}

/** The conditions of both lists, each as its index has it: the open todos', this direction's dates'. */
function filtered(filter: TodoFilter, descending: boolean): Statement {
  const { completed, due_before, due_after, student_id, updated_since } = filter;
  const date = due(descending);
  return sql`true
        ${when(completed === true, sql`and t.completed`)}
        ${when(completed === false, sql`and not t.completed`)}
        ${when(!!due_before, sql`and t.due_date is not null and ${date} < ${due_before}`)}
        ${when(!!due_after, sql`and t.due_date is not null and ${date} > ${due_after}`)}
        ${when(!!filter.due, sql`and t.due_date is null and ${date} = ${undated(descending)}`)}
        ${when(!!student_id, sql`and t.student_id = ${student_id}`)}
        ${when(!!updated_since, sql`and t.updated_at >= ${updated_since}`)}`;
}

/**
 * Whether a filter may leave so little that PostgreSQL is to look at its value before it chooses: to
 * read in the page's order, or to gather the few that match and sort them.
 */
function selective({ due_before, due_after, updated_since, q }: TodoFilter): boolean {
  return (due_before ?? due_after ?? updated_since ?? (q || undefined)) !== undefined;
}

/**
 * Instead of `todos t`: the caller's todos with these words, found before they are put in order
 * (`offset 0`). PostgreSQL cannot know how rare a word is, and would rather read all todos in the
 * page's order, where a search for a word that nobody wrote costs the most. It costs what it finds.
 */
function searched({ ownerId }: Credential, words: string): Statement {
  return sql`(
        select t.*
        from todos t
        where t.owner_id = ${ownerId} and ${allowed}
          and search_terms(t.owner_id, plain_words(t.description))
            @@ (select search_query(${ownerId}, ${words}))
        offset 0
      ) t`;
}

/** One field more: the student of `todos t`, as that resource shows them, or null. */
function withStudent({ ownerId }: Credential): Statement {
  return sql`, (
          select row_to_json(item)
          from (
            select
              s.id, s.first_name, s.last_name, s.age, ${utc(sql`s.created_at`)} as created_at,
              ${utc(sql`s.updated_at`)} as updated_at, s.version
            from students s
            where s.owner_id = ${ownerId} and ${allowed} and s.id = t.student_id
          ) item
        ) as student`;
}

export function listTodos(
  db: Database,
  credential: Credential,
  request: TodoPage,
  filter: TodoFilter,
): Promise<Page[]> {
  const { q } = filter;
  const order = todoSorts[request.sort].order(request);
  const columns = filter.include ? sql`${todoColumns}${withStudent(credential)}` : todoColumns;
  return db.read(sql`
    with ${caller(credential, "read")},
    rows as (
      select ${json(columns)} as body, t.id, ${order.value} as sort_value
      from ${q ? searched(credential, q) : sql`todos t`}
      where t.owner_id = ${credential.ownerId} and ${allowed}
        and ${filtered(filter, request.descending)}
        and ${order.after}
      order by ${order.by}
      ${when(!selective(filter), mostRows)}
    ),
    ${page(request.limit)}
    select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
    from caller, page`);
}

export interface StudentTodos extends Page {
  /** The student is the caller's at all. */
  present: boolean;
}

export function listStudentTodos(
  db: Database,
  credential: Credential,
  studentId: string,
  request: TodoPage,
  filter: TodoFilter,
): Promise<StudentTodos[]> {
  const { ownerId } = credential;
  const { q } = filter;
  const order = todoSorts[request.sort].order(request);
  return db.read(sql`
    with ${caller(credential, "read")},
    rows as (
      select ${json(todoColumns)} as body, t.id, ${order.value} as sort_value
      from ${q ? searched(credential, q) : sql`todos t`}
      where t.owner_id = ${ownerId} and ${allowed}
        and t.student_id = ${studentId}
        and ${filtered(filter, request.descending)}
        and ${order.after}
      order by ${order.by}
      ${when(!selective(filter), mostRows)}
    ),
    ${page(request.limit)}
    select
      caller.id as caller_id, caller.allowed,
      exists (
        select from students s where s.owner_id = ${ownerId} and ${allowed} and s.id = ${studentId}
      ) as present,
      page.data, page.last_id, page.last_value
    from caller, page`);
}

export function getTodo(db: Database, credential: Credential, id: string): Promise<Found[]> {
  return db.read(sql`
    with ${caller(credential, "read")},
    found as (
      select ${json(todoColumns)} as body, t.version
      from todos t
      where t.owner_id = ${credential.ownerId} and ${allowed} and t.id = ${id}
    )
    select caller.id as caller_id, caller.allowed, found.body, found.version
    from caller left join found on true`);
}

export function createTodo(
  db: Database,
  credential: Credential,
  todo: TodoFields,
  idempotency?: Idempotency,
): Promise<Created[]> {
  return once(db, credential, idempotency, ({ remembered, isNew, answer }) =>
    sql`
    with ${caller(credential, "write")},
    ${remembered},
    created as (
      insert into todos as t (owner_id, description, completed, due_date, student_id)
      select
        ${credential.ownerId}::bigint, ${todo.description}, ${todo.completed}::boolean,
        ${todo.due_date}::timestamptz, ${todo.student_id}::bigint
      from caller
      where caller.allowed and ${isNew}
      returning t.id, ${json(todoColumns)} as body, t.version
    )
    ${answer}`);
}

/** What is left out of `change` stays as it is. */
export function updateTodo(
  db: Database,
  credential: Credential,
  id: string,
  change: Partial<TodoFields>,
  versions?: Versions,
): Promise<Changed[]> {
  const { ownerId } = credential;
  const {
    description = sql`t.description`,
    completed = sql`t.completed`,
    due_date = sql`t.due_date`,
    student_id = sql`t.student_id`,
  } = change;
  return db.query(sql`
    with ${caller(credential, "write")},
    changed as (
      update todos t
      set
        description = ${description}, completed = ${completed}, due_date = ${due_date},
        student_id = ${student_id}
      where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id} and ${matches(versions)}
      returning t.*
    ),
    shown as (
      select ${json(todoColumns)} as body, t.version from changed t
    )
    select
      caller.id as caller_id, caller.allowed,
      shown.version is not null or exists (
        select from todos t where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id}
      ) as present,
      shown.body, shown.version, ${written}
    from caller left join shown on true`);
}

export function deleteTodo(
  db: Database,
  credential: Credential,
  id: string,
  versions?: Versions,
): Promise<Changed[]> {
  const { ownerId } = credential;
  return db.query(sql`
    with ${caller(credential, "write")},
    deleted as (
      delete from todos t
      where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id} and ${matches(versions)}
      returning t.version
    )
    select
      caller.id as caller_id, caller.allowed,
      deleted.version is not null or exists (
        select from todos t where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id}
      ) as present,
      null as body, deleted.version, ${written}
    from caller left join deleted on true`);
}

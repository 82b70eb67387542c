import { allowed, caller, type Credential } from "./_caller.ts";
import { type Created, type Idempotency, once } from "./_idempotency.ts";
import { by, byId, mostRows, type Page, page, type PageRequest } from "./_page.ts";
import {
  type Changed,
  type Found,
  json,
  matches,
  timestamps,
  type Versions,
  when,
  written,
} from "./_row.ts";
import { type Database, sql, type Statement } from "../postgres/mod.ts";

export interface StudentFields {
  first_name: string;
  last_name: string;
  age: number | null;
}

/** What a student shows, of `students t`, and these times. */
export const studentWith = (times: Statement) =>
  sql`t.id, t.first_name, t.last_name, t.age,
        ${times}, t.version`;

export const studentColumns = studentWith(timestamps);

/** The ways to sort a list of students, the default first. */
export const studentSorts = { id: byId, last_name: by("text", sql`t.last_name`) };

/** Instead of `students t`: the caller's students with these words; see db/todos.ts. */
function searched({ ownerId }: Credential, words: string): Statement {
  return sql`(
        select t.*
        from students t
        where t.owner_id = ${ownerId} and ${allowed}
          and search_terms(t.owner_id, plain_words(t.first_name || ' ' || t.last_name))
            @@ (select search_query(${ownerId}, ${words}))
        offset 0
      ) t`;
}

/** `q`: words to search the names for, as a person types them; without one it is no filter. */
export function listStudents(
  db: Database,
  credential: Credential,
  request: PageRequest<keyof typeof studentSorts>,
  { q }: { q?: string },
): Promise<Page[]> {
  const order = studentSorts[request.sort].order(request);
  return db.read(sql`
    with ${caller(credential, "read")},
    rows as (
      select ${json(studentColumns)} as body, t.id, ${order.value} as sort_value
      from ${q ? searched(credential, q) : sql`students t`}
      where t.owner_id = ${credential.ownerId} and ${allowed} and ${order.after}
      order by ${order.by}
      ${when(!q, mostRows)}
    ),
    ${page(request.limit)}
    select caller.id as caller_id, caller.allowed, page.data, page.last_id, page.last_value
    from caller, page`);
}

export function getStudent(db: Database, credential: Credential, id: string): Promise<Found[]> {
  return db.read(sql`
    with ${caller(credential, "read")},
    found as (
      select ${json(studentColumns)} as body, t.version
      from students t
      where t.owner_id = ${credential.ownerId} and ${allowed} and t.id = ${id}
    )
    select caller.id as caller_id, caller.allowed, found.body, found.version
    from caller left join found on true`);
}

export function createStudent(
  db: Database,
  credential: Credential,
  student: StudentFields,
  idempotency?: Idempotency,
): Promise<Created[]> {
  return once(db, credential, idempotency, ({ remembered, isNew, answer }) =>
    sql`
    with ${caller(credential, "write")},
    ${remembered},
    created as (
      insert into students as t (owner_id, first_name, last_name, age)
      select
        ${credential.ownerId}::bigint, ${student.first_name}, ${student.last_name}, ${student.age}::integer
      from caller
      where caller.allowed and ${isNew}
      returning t.id, ${json(studentColumns)} as body, t.version
    )
    ${answer}`);
}

/** What is left out of `change` stays as it is. */
export function updateStudent(
  db: Database,
  credential: Credential,
  id: string,
  change: Partial<StudentFields>,
  versions?: Versions,
): Promise<Changed[]> {
  const { ownerId } = credential;
  const {
    first_name = sql`t.first_name`,
    last_name = sql`t.last_name`,
    age = sql`t.age`,
  } = change;
  return db.query(sql`
    with ${caller(credential, "write")},
    changed as (
      update students t
      set first_name = ${first_name}, last_name = ${last_name}, age = ${age}
      where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id} and ${matches(versions)}
      returning t.*
    ),
    shown as (
      select ${json(studentColumns)} as body, t.version from changed t
    )
    select
      caller.id as caller_id, caller.allowed,
      shown.version is not null or exists (
        select from students t where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id}
      ) as present,
      shown.body, shown.version, ${written}
    from caller left join shown on true`);
}

/** The student's todos stay, assigned to nobody. */
export function deleteStudent(
  db: Database,
  credential: Credential,
  id: string,
  versions?: Versions,
): Promise<Changed[]> {
  const { ownerId } = credential;
  return db.query(sql`
    with ${caller(credential, "write")},
    deleted as (
      delete from students t
      where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id} and ${matches(versions)}
      returning t.version
    )
    select
      caller.id as caller_id, caller.allowed,
      deleted.version is not null or exists (
        select from students t where t.owner_id = ${ownerId} and ${allowed} and t.id = ${id}
      ) as present,
      null as body, deleted.version, ${written}
    from caller left join deleted on true`);
}

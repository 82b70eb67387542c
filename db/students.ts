import { type Key, owned } from "./_caller.ts";
import {
  assignments,
  change,
  type Changed,
  create,
  type Created,
  type Found,
  fresh,
  type Idempotency,
  matching,
  type Page,
  page,
  read,
  shown,
  utc,
  type Versions,
} from "./_shapes.ts";
import { type After, byExpression, byId } from "./_sort.ts";
import { type Database, sql } from "./mod.ts";

export interface StudentFields {
  first_name: string;
  last_name: string;
  age: number | null;
}

export const studentSorts = ["id", "last_name"] as const;

export interface StudentPageRequest {
  sort: typeof studentSorts[number];
  descending: boolean;
  after?: After;
  limit: number;
}

/** What a student shows, of table `t`. */
export const studentColumns = sql`
  t.id,
  t.first_name,
  t.last_name,
  t.age,
  ${utc(sql`t.created_at`)} as created_at,
  ${utc(sql`t.updated_at`)} as updated_at,
  t.version`;

const student = shown(studentColumns);

export function getStudent(db: Database, key: Key, id: string): Promise<Found[]> {
  return db.query(read(
    key,
    "read",
    sql`
      select ${student}
      from students t
      where t.id = ${id} and ${owned}`,
  ));
}

export function listStudents(
  db: Database,
  key: Key,
  { sort, descending, after, limit }: StudentPageRequest,
): Promise<Page[]> {
  const order = sort === "id"
    ? byId(descending, after)
    : byExpression(sql`t.last_name`, sql`text`, descending, after);
  return db.query(page(
    key,
    "read",
    limit,
    sql`
      select ${student}, t.id as last_id, ${order.value} as last_value
      from students t
      where ${owned} and ${order.after}
      order by ${order.by}
      limit ${limit + 1}`,
  ));
}

export function createStudent(
  db: Database,
  key: Key,
  fields: StudentFields,
  idempotency?: Idempotency,
): Promise<Created[]> {
  return create(
    db,
    { key, scope: "write", operation: "createStudent", idempotency },
    sql`
      insert into students as t (owner_id, first_name, last_name, age)
      select caller.id, ${fields.first_name}, ${fields.last_name}, ${fields.age}::integer
      from caller
      where ${fresh}
      returning t.id, ${student}`,
  );
}

export function updateStudent(
  db: Database,
  key: Key,
  id: string,
  fields: Partial<StudentFields>,
  versions?: Versions,
): Promise<Changed[]> {
  const set = assignments<Partial<StudentFields>>(fields, {
    first_name: (value) => sql`first_name = ${value}`,
    last_name: (value) => sql`last_name = ${value}`,
    age: (value) => sql`age = ${value}`,
  });
  return db.query(change(
    key,
    "write",
    sql`
      select from students t
      where t.id = ${id} and ${owned}`,
    sql`
      update students t
      set ${set}
      where t.id = ${id} and ${owned} and ${matching(versions)}
      returning ${student}`,
  ));
}

/** The student's todos stay, assigned to nobody. */
export function deleteStudent(
  db: Database,
  key: Key,
  id: string,
  versions?: Versions,
): Promise<Changed[]> {
  return db.query(change(
    key,
    "write",
    sql`
      select from students t
      where t.id = ${id} and ${owned}`,
    sql`
      delete from students t
      where t.id = ${id} and ${owned} and ${matching(versions)}
      returning null as body, t.version`,
  ));
}

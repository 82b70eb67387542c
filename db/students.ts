import { type Key, owned } from "./_caller.ts";
import { createRow, fresh, type Idempotency } from "./_create.ts";
import {
  assignments,
  deleteRow,
  getPage,
  getRow,
  pageSized,
  shown,
  updateRow,
  utc,
  type Versions,
} from "./_shapes.ts";
import { byExpression, byId, type PageRequest } from "./_sort.ts";
import { type Database, sql } from "./mod.ts";

export interface StudentFields {
  first_name: string;
  last_name: string;
  age: number | null;
}

export const studentSorts = ["id", "last_name"] as const;

/** What a student shows, of table `t`. */
export const studentColumns = sql`
  t.id,
  t.first_name,
  t.last_name,
  t.age,
  ${utc(sql`t.created_at`)} as created_at,
  ${utc(sql`t.updated_at`)} as updated_at,
  t.version`;

const rows = { from: sql`students t`, shown: shown(studentColumns), visible: owned };

export function getStudent(db: Database, key: Key, id: string) {
  return getRow(db, key, rows, id);
}

export function listStudents(
  db: Database,
  key: Key,
  { sort, descending, after, limit }: PageRequest<typeof studentSorts[number]>,
) {
  const order = sort === "id"
    ? byId(descending, after)
    : byExpression(sql`t.last_name`, sql`text`, descending, after);
  return getPage(
    db,
    key,
    "read",
    limit,
    sql`
      select ${rows.shown}, t.id as last_id, ${order.value} as last_value
      from students t
      where ${owned} and ${order.after}
      order by ${order.by}
      ${pageSized}`,
  );
}

export function createStudent(
  db: Database,
  key: Key,
  fields: StudentFields,
  idempotency?: Idempotency,
) {
  return createRow(
    db,
    { key, scope: "write", operation: "createStudent", idempotency },
    sql`
      insert into students as t (owner_id, first_name, last_name, age)
      select caller.id, ${fields.first_name}, ${fields.last_name}, ${fields.age}::integer
      from caller
      where ${fresh}
      returning t.id, ${rows.shown}`,
  );
}

export function updateStudent(
  db: Database,
  key: Key,
  id: string,
  fields: Partial<StudentFields>,
  versions?: Versions,
) {
  const set = assignments<Partial<StudentFields>>(fields, {
    first_name: (value) => sql`first_name = ${value}`,
    last_name: (value) => sql`last_name = ${value}`,
    age: (value) => sql`age = ${value}`,
  });
  return updateRow(db, key, rows, id, set, versions);
}

/** The student's todos stay, assigned to nobody. */
export function deleteStudent(db: Database, key: Key, id: string, versions?: Versions) {
  return deleteRow(db, key, rows, id, versions);
}

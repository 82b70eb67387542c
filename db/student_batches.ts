import {
  type BatchChanged,
  type BatchCreated,
  created,
  type Item,
  itemsOf,
  outcome,
} from "./_batch.ts";
import { allowed, caller, type Credential } from "./_caller.ts";
import { type Idempotency, once } from "./_idempotency.ts";
import { insertedTimestamps, json } from "./_row.ts";
import { studentColumns, type StudentFields, studentWith } from "./students.ts";
import { type Database, sql } from "../postgres/mod.ts";

export function createStudents(
  db: Database,
  credential: Credential,
  items: StudentFields[],
  idempotency?: Idempotency,
): Promise<BatchCreated[]> {
  const { ownerId } = credential;
  return once<BatchCreated>(db, credential, idempotency, ({ remembered, isNew, answer }) =>
    sql`
    with ${caller(credential, "write")},
    ${remembered},
    items as materialized (
      select ordinality - 1 as n, first_name, last_name, age
      from rows from (
        json_to_recordset(${JSON.stringify(items)}::text::json) as (
          first_name text, last_name text, age integer
        )
      ) with ordinality
    ),
    inserted as (
      insert into students as t (owner_id, first_name, last_name, age)
      select ${ownerId}::bigint, items.first_name, items.last_name, items.age
      from caller, items
      where caller.allowed and ${isNew}
      order by items.n
      returning t.*
    ),
    shown as (
      select t.id, ${json(studentWith(insertedTimestamps))} as body from inserted t
    ),
    ${created}
    ${answer}`, sql`, '[]' as faults`);
}

/** What is left out of an item stays as it is. */
export function updateStudents(
  db: Database,
  credential: Credential,
  items: (Item & Partial<StudentFields>)[],
): Promise<BatchChanged[]> {
  const { ownerId } = credential;
  return db.query(sql`
    with ${caller(credential, "write")},
    ${itemsOf(items)},
    faults as (
      select i.n, case when t.id is null then 'id' else 'version' end as field
      from items i
      left join students t on t.owner_id = ${ownerId} and ${allowed} and t.id = i.id
      where t.id is null or t.version <> i.version
    ),
    updated as (
      update students t
      set
        first_name = coalesce(i.sent ->> 'first_name', t.first_name),
        last_name = coalesce(i.sent ->> 'last_name', t.last_name),
        age = case when i.sent ? 'age' then (i.sent ->> 'age')::integer else t.age end
      from items i
      where t.owner_id = ${ownerId} and ${allowed} and t.id = i.id
        and t.version = coalesce(i.version, t.version)
        and not exists (select from faults)
      returning i.n, t.*
    ),
    changed as (
      select t.n, ${json(studentColumns)} as body from updated t
    )
    ${outcome}`);
}

/** Their todos stay, assigned to nobody. */
export function deleteStudents(
  db: Database,
  credential: Credential,
  items: Item[],
): Promise<BatchChanged[]> {
  const { ownerId } = credential;
  return db.query(sql`
    with ${caller(credential, "write")},
    ${itemsOf(items)},
    faults as (
      select i.n, case when t.id is null then 'id' else 'version' end as field
      from items i
      left join students t on t.owner_id = ${ownerId} and ${allowed} and t.id = i.id
      where t.id is null or t.version <> i.version
    ),
    changed as (
      delete from students t
      using items i
      where t.owner_id = ${ownerId} and ${allowed} and t.id = i.id
        and t.version = coalesce(i.version, t.version)
        and not exists (select from faults)
      returning i.n, null as body
    )
    ${outcome}`);
}
